"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const main = document.getElementById("report");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const make = (parent, name, text, className) => {
    const node = parent.appendChild(document.createElement(name));
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  // Neighbours are told apart, and a release keeps its colour.
  const colour = (index, many) => {
    const fixed = ["#2f6fdb", "#1a9c6b", "#d9822b", "#b33a7d", "#7a5bd0", "#8a8f98", "#c0392b"];
    return many ? `hsl(${(index * 137.5 + 210) % 360} 55% 52%)` : fixed[index % fixed.length];
  };
  const clock = (seconds) => {
    const whole = Math.round(seconds);
    return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  };
  const number = (value) => (value === null || value === undefined ? "–" : value >= 100 ? Math.round(value).toLocaleString("en") : String(Math.round(value * 10) / 10));

  // What is counted has no halves.
  const whole = [1, 10, 100, 1000, 10000].flatMap((ten) => [ten, 2 * ten, 5 * ten]);

  make(main, "h1", data.title);
  data.words.forEach((words) => make(main, "p", words));

  const table = (part) => {
    const numeric = part.header.map((_, column) => part.rows.every((row) => /^[\d.,–\s]*(%|ms|s)?$/.test(row[column] ?? "")));
    const node = make(make(main, "div", undefined, "wide"), "table");
    const head = make(make(node, "thead"), "tr");
    part.header.forEach((title, column) => make(head, "th", title, numeric[column] ? "number" : ""));
    const body = make(node, "tbody");
    part.rows.forEach((row) => {
      const line = make(body, "tr");
      row.forEach((cell, column) => make(line, "td", cell, numeric[column] ? "number" : ""));
    });
  };

  // Flags that would lie on one another stand in rows, of so many pixels each.
  const FLAG_ROWS = 3;
  const FLAG_ROW = 11;
  const marks = (part) => ({
    hooks: {
      draw: [(plot) => {
        const { ctx, bbox } = plot;
        ctx.save();
        const dot = devicePixelRatio;
        const ends = new Array(FLAG_ROWS).fill(-Infinity);
        part.marks.forEach((mark) => {
          const x = Math.round(plot.valToPos(mark.at, "x", true));
          if (x < bbox.left || x > bbox.left + bbox.width) return;
          const paint = css(`--${mark.tone}`);
          // A line that is seen on any colour, and a flag above it: ahead, back, a diamond for trouble, a square for what was cut off.
          [[css("--paper"), 3], [paint, 1.5]].forEach(([stroke, width]) => {
            ctx.strokeStyle = stroke;
            ctx.lineWidth = width * dot;
            ctx.setLineDash(["trouble", "interrupted"].includes(mark.tone) && stroke === paint ? [4 * dot, 3 * dot] : []);
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
          });
          const shapes = {
            forward: [[0, -11], [8, -6.5], [0, -2]],
            back: [[0, -11], [-8, -6.5], [0, -2]],
            step: [[0, -10], [6, -6.5], [0, -3]],
            trouble: [[0, -11], [4, -6.5], [0, -2], [-4, -6.5]],
            interrupted: [[-4, -10], [4, -10], [4, -2], [-4, -2]],
          };
          const across = shapes[mark.tone].map(([right]) => x + right * dot);
          const free = ends.findIndex((end) => end <= Math.min(...across));
          const row = free < 0 ? FLAG_ROWS - 1 : free;
          ends[row] = Math.max(...across);
          ctx.fillStyle = paint;
          ctx.beginPath();
          shapes[mark.tone].forEach(([, down], corner) => ctx.lineTo(across[corner], bbox.top + (down - row * FLAG_ROW) * dot));
          ctx.fill();
        });
        ctx.restore();
      }],
    },
  });

  const chart = (part) => {
    const card = make(main, "div", undefined, "chart");
    const canvas = make(card, "div");
    const hint = part === data.parts.find((one) => one.marks?.length) ? "Point at a moment of any chart to read what was." : "";
    const says = make(card, "div", hint, "says");
    const many = part.series.length > 7;
    const count = part.seconds.length;
    let drawn = part.series.map((one) => one.values);
    if (part.shares) {
      const totals = Array.from({ length: count }, (_, at) => part.series.reduce((sum, one) => sum + (one.values[at] ?? 0), 0));
      const below = new Array(count).fill(0);
      drawn = part.series.map((one) => one.values.map((value, at) => {
        if (!totals[at]) return null;
        below[at] += (100 * (value ?? 0)) / totals[at];
        return below[at];
      }));
    }
    const series = part.series.map((one, index) => {
      const paint = colour(index, many);
      return part.shares
        ? { label: one.name, stroke: paint, width: 0, fill: paint, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) }
        : { label: one.name, stroke: paint, width: 1.5, points: { show: false } };
    });
    // What lies on top is drawn first, so that what is below covers it.
    const order = part.shares ? series.map((_, index) => index).reverse() : series.map((_, index) => index);
    const axis = { stroke: () => css("--faint"), grid: { stroke: () => css("--line"), width: 1 }, ticks: { show: false } };
    const size = () => ({ width: card.clientWidth - 10, height: card.clientWidth < 560 ? 220 : 280 });
    const plot = new uPlot({
      ...size(),
      padding: [part.marks.length ? 5 + FLAG_ROWS * FLAG_ROW : 8, 22, 0, 0],
      scales: { x: { time: false }, y: part.shares ? { range: [0, 100] } : { range: (_, low, high) => [0, Math.max(1, high * 1.05)] } },
      axes: [
        { ...axis, size: 34, values: (_, all) => all.map(clock) },
        { ...axis, size: 52, ...(part.unit === "a second" && { incrs: whole }), values: (_, all) => all.map((value) => value.toLocaleString("en")) },
      ],
      series: [{}, ...order.map((index) => series[index])],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false } },
      plugins: [marks(part), {
        hooks: {
          setCursor: [(self) => {
            const at = self.cursor.idx;
            if (at === null || at === undefined) { says.textContent = hint; return; }
            const time = part.seconds[at];
            const values = part.series.filter((one) => part.shares ? one.values[at] : true)
              .map((one) => `${one.name} ${number(one.values[at])}`);
            const near = part.marks.filter((mark) => Math.abs(mark.at - time) <= 0.75).map((mark) => mark.name);
            says.textContent = [clock(time), ...values, ...near].join(" · ");
          }],
        },
      }],
    }, [part.seconds, ...order.map((index) => drawn[index])], canvas);
    new ResizeObserver(() => plot.setSize(size())).observe(card);

    const legend = make(card, "div", undefined, "legend");
    const entry = (name, paint, isMark) => {
      const node = make(legend, "span");
      make(node, "i", undefined, isMark ? `mark ${isMark}` : "").style.background = paint;
      node.append(name);
    };
    if (part.series.length <= 12) part.series.forEach((one, index) => entry(one.name, colour(index, many)));
    else entry(`${part.series.length} releases, a colour each`, colour(0, true));
    // Of `step: 20 % to …` the first part says what kind of moment it is.
    const kinds = new Map(part.marks.map((mark) => [mark.name.split(":")[0], mark.tone]));
    kinds.forEach((tone, name) => entry(name, css(`--${tone}`), tone));
  };

  data.parts.forEach((part) => {
    make(main, "h2", part.unit ? `${part.title} (${part.unit})` : part.title);
    if (part.note) make(main, "p", part.note, "note");
    if (part.rows) table(part);
    else chart(part);
  });
})();
