"""make bench: promote beside a boto3 peer, both against the same recorded answers; and the event of a rejected approval.

First one call of each is recorded against a simulator. Then both run in turns, each run a fresh process: init (process
start to its first ask for an event), the first call, warm calls, and at its end the most memory it ever had. All on
loopback, without TLS and with the whole processor: figures to compare with each other, not to quote as AWS's.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import pathlib
import platform
import statistics
import sys
import uuid
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from answers import REJECTED, Answers, rounds
from function import Function
from spread import spread
from world import SERVICE, World

HERE = pathlib.Path(__file__).resolve().parent
# Long enough that calls made side by side overlap, and calls made one after the other do not.
COUNTING_LATENCY_SECONDS = 0.02
SWITCH_LATENCY_SECONDS = 0.01
OTHERS = 1000


class Side:
    """One of the two that are measured."""

    def __init__(self, name, path):
        self.name = name
        path = pathlib.Path(path).resolve()
        self.by_hand = path.is_dir() and (path / "handler.py").exists()
        self.folder = path
        if not self.bootstrap("promote").exists():
            raise SystemExit(f"{self.bootstrap('promote')} is missing: run `make build` first.")

    def bootstrap(self, function):
        return self.folder / "bootstrap" if self.by_hand else self.folder / function / "bootstrap"

    async def start(self, endpoint, environment, function):
        environment = {**environment, "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": function.upper()}
        if self.by_hand:
            environment |= {"PYTHONPATH": str(self.folder), "POINTSMAN_VENV": sys.prefix}
        return await Function.start([str(self.bootstrap(function))], environment)

    def bytes_zipped(self):
        return zipped(self.folder / "handler.py" if self.by_hand else self.bootstrap("promote"))


def zipped(path):
    import io

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        z.write(path, path.name)
    return archive.tell()


def job():
    """What CodePipeline hands to promote."""
    parameters = json.dumps({"service": SERVICE, "release": "r2", "pipeline": SERVICE})
    configuration = {"FunctionName": "pointsman-promote", "UserParameters": parameters}
    return {
        "CodePipeline.job": {
            "id": str(uuid.uuid4()),
            "accountId": "123456789012",
            "data": {
                "actionConfiguration": {"configuration": configuration},
                "inputArtifacts": [],
                "outputArtifacts": [],
                "artifactCredentials": {"accessKeyId": "none", "secretAccessKey": "none", "sessionToken": "none"},
            },
        }
    }


def rejection():
    """What EventBridge hands to teardown when somebody rejects the approval after promote."""
    detail = {
        "pipeline": SERVICE,
        "execution-id": "r2",
        "stage": "Keep",
        "action": "KeepIt",
        "action-execution-id": REJECTED["actionExecutionId"],
        "state": "FAILED",
        "type": {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"},
    }
    return {"source": "aws.codepipeline", "detail-type": "CodePipeline Action Execution State Change", "detail": detail}


async def called(function, answers, event=job):
    """One call that must succeed: its seconds, and the calls of AWS that it made."""
    answers.begin()
    seconds, answer = await function.call(event())
    if event is job:
        ended = answers.job
        succeeded = ended and ended.action == "PutJobSuccessResult" and b"continuationToken" not in ended.body
        told = ended.body.decode(errors="replace") if ended else "no job result"
    else:
        told, succeeded = answer, answer.get("status") == "done"
    if not succeeded:
        raise SystemExit(f"a call did not succeed: {told}\n{answer}\n{function.written()}")
    return seconds, answers.calls


async def recorded(side, others):
    """Records one promote, one more that finds nothing to do, and the rejection after it; with what the environment was."""
    world, answers = await asyncio.to_thread(World), await Answers.start()
    try:
        answers.record(world.address)
        if side.by_hand:
            await asyncio.to_thread(world.releases_by_hand)
        else:
            await world.releases_by_functions(side.folder, answers.url)
        await asyncio.to_thread(world.add_other_services, others)
        function = await side.start(answers.url, world.environment, "promote")
        try:
            _, promote = await called(function, answers)
            _, nothing = await called(function, answers)
        finally:
            await function.stop()
        rejected = None if side.by_hand else await recorded_rejection(side, answers, world.environment)
        return promote, nothing, world.environment, rejected
    finally:
        answers.stop()
        await asyncio.to_thread(world.stop)


async def recorded_rejection(side, answers, environment):
    """Records what teardown does when the release that is product now is rejected."""
    function = await side.start(answers.url, environment, "teardown")
    try:
        _, rejected = await called(function, answers, rejection)
        return rejected
    finally:
        await function.stop()


@contextlib.asynccontextmanager
async def replaying(side, record, environment, latency_seconds, event):
    """A warm function, and what answers it as the record says."""
    answers = await Answers.start()
    try:
        answers.replay(record, latency_seconds)
        function = await side.start(answers.url, environment, "promote" if event is job else "teardown")
        try:
            await called(function, answers, event)
            yield function, answers
        finally:
            await function.stop()
        complain(answers)
    finally:
        answers.stop()


async def replayed(side, record, environment, event=job):
    """The calls that a warm call makes, with the round trip of each."""
    async with replaying(side, record, environment, COUNTING_LATENCY_SECONDS, event) as (function, answers):
        _, calls = await called(function, answers, event)
        return rounds(calls)


async def switched(side, record, environment, calls, event=job):
    """Seconds from the event to the load balancer's answer that the rule is changed, of warm calls."""
    async with replaying(side, record, environment, SWITCH_LATENCY_SECONDS, event) as (function, answers):
        seconds = []
        for _ in range(calls):
            _, made = await called(function, answers, event)
            seconds += [call.ended - function.given_at for call in made if call.action == "ModifyRule"]
        return seconds


def complain(answers):
    if answers.unknown:
        raise SystemExit(f"the record has no answer to {dict(answers.unknown)}")


async def measured(side, answers, record, environment, latency_seconds, warm_calls):
    """One run: a fresh process, its first call and warm ones."""
    answers.replay(record, latency_seconds)
    function = await side.start(answers.url, environment, "promote")
    try:
        first, _ = await called(function, answers)
        warm = [(await called(function, answers))[0] for _ in range(warm_calls)]
        complain(answers)
        return {"init": function.init_seconds, "first": first, "warm": warm, "rss": function.peak_rss_bytes()}
    finally:
        await function.stop()


async def timings(sides, records, runs, warm_calls):
    answers = await Answers.start()
    ours, peer = sides
    try:
        for latency in (0.0, 0.005):
            results = {side: [] for side in sides}
            for n in range(runs):
                # In turns, and each as often first as second.
                for side in sides if n % 2 == 0 else reversed(sides):
                    record, _, environment, _ = records[side]
                    results[side].append(await measured(side, answers, record, environment, latency, warm_calls))
                print(f"\r{latency * 1000:.0f} ms added latency: run {n + 1} of {runs}", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)
            print(f"\n{latency * 1000:.0f} ms added to each answer; {runs} runs of each, in turns; min / median / p95")
            print(f"  {'':<16}{ours.name:>26}{peer.name:>26}   median of {peer.name} to ours")
            for what, unit, label, goal in (
                ("init", 1e-3, "init, ms", 30),
                ("first", 1e-3, "first call, ms", 4 if latency == 0 else None),
                ("warm", 1e-3, "warm call, ms", 3 if latency == 0 else None),
                ("rss", 1e6, "peak RSS, MB", None),
            ):
                values = {side: flat(result[what] for result in results[side]) for side in sides}
                medians = [statistics.median(values[side]) for side in sides]
                ratio = f"{medians[1] / medians[0]:.1f}" + (f" (goal: at least {goal})" if goal else "")
                if what == "rss":
                    ratio += f" (goal: ours at most 10.0; most: {max(values[ours]) / 1e6:.1f})"
                print(f"  {label:<16}{spread(values[ours], unit):>26}{spread(values[peer], unit):>26}   {ratio}")
    finally:
        answers.stop()


def flat(values):
    """Lists among the values are taken apart."""
    return list(itertools.chain.from_iterable(v if isinstance(v, list) else [v] for v in values))


def show_calls(title, numbered, goal):
    """What a call costs, and every round trip of it."""
    print(f"\n{title}: {len(numbered)} API calls in {max(n for _, n in numbered)} sequential round trips{goal}")
    for number, calls in itertools.groupby(sorted(numbered, key=lambda pair: pair[1]), key=lambda pair: pair[1]):
        names = [str(call) for call, _ in calls]
        print(f"  {number:>2}. " + ", ".join(name if names.count(name) == 1 else f"{names.count(name)} x {name}" for name in dict.fromkeys(names)))


def show_switch(numbered, seconds, goals):
    """In which round trip the rule is changed, and how long after the event."""
    of_round, of_time = goals
    print(f"  ModifyRule is in round trip {switch_round(numbered)}{of_round}")
    added = f"{SWITCH_LATENCY_SECONDS * 1000:.0f} ms added to each answer"
    print(f"  from the event to its answer, ms, {added}, min / median / p95: {spread(seconds, 1e-3)}{of_time}")


def switch_round(numbered):
    return next((str(n) for call, n in numbered if call.action == "ModifyRule"), "none")


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=HERE.parent / "target" / "lambda", help="folder of the built functions, or of a peer")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--warm-calls", type=int, default=10, help="of each run")
    parser.add_argument("--others", type=int, default=OTHERS, help="other services in the account")
    options = parser.parse_args()
    ours, peer = Side("ours", options.ours), Side("boto3", HERE / "peer")

    print(f"recording, on {platform.machine()}, Python {platform.python_version()} …", file=sys.stderr)
    records = {side: await recorded(side, 0) for side in (ours, peer)}
    await timings((ours, peer), records, options.runs, options.warm_calls)

    print("\nsize, zipped (-9)")
    if not ours.by_hand:
        for name, goal in (("promote", 2.5), ("register", 3.0), ("provision", 3.0), ("teardown", 3.0)):
            print(f"  {name:<10}{zipped(ours.folder / name / 'bootstrap') / 1e6:6.2f} MB (goal: at most {goal})")
    print(f"  {'boto3':<10}{peer.bytes_zipped() / 1e6:6.3f} MB, and boto3 itself")

    switch_goal = " (goal: below 100)"
    for side in (ours, peer):
        record, nothing, environment, rejected = records[side]
        promote = await replayed(side, record, environment)
        goal = " (goal: at most 20 calls)" if side is ours else ""
        show_calls(f"{side.name}: a warm promote", promote, goal)
        seconds = await switched(side, record, environment, options.runs)
        show_switch(promote, seconds, (" (goal: at most the 4th)", switch_goal) if side is ours else ("", ""))
        if rejected:
            numbered = await replayed(side, rejected, environment, rejection)
            show_calls(f"{side.name}: teardown, on the event of a rejected approval", numbered, "")
            seconds = await switched(side, rejected, environment, options.runs, rejection)
            show_switch(numbered, seconds, ("", switch_goal))
        idle = await replayed(side, nothing, environment)
        changing = [str(call) for call, _ in idle if call.changes]
        goal = " (goal: at most 11 calls)" if side is ours else ""
        show_calls(f"{side.name}: a call that finds nothing to do", idle, goal)
        print(f"  not reading: {', '.join(changing)}")

    print(f"\nrecording among {options.others} other services …", file=sys.stderr)
    record, nothing, environment, _ = await recorded(ours, options.others)
    for title, calls in (("a warm promote", record), ("a call that finds nothing to do", nothing)):
        numbered = await replayed(ours, calls, environment)
        before = await replayed(ours, records[ours][title != "a warm promote"], records[ours][2])
        same = sorted(str(c) for c, _ in numbered) == sorted(str(c) for c, _ in before)
        print(
            f"ours, among {options.others} other services: {title}: {len(numbered)} API calls, {max(n for _, n in numbered)} round trips, "
            f"ModifyRule in {switch_round(numbered)}: {'the same' if same else 'NOT the same'} as without them"
        )


asyncio.run(main())
