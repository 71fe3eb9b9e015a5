"""What was found, in words; and the parts of docs/security.md that are made of the template and of the hostile list."""

import re

from .template import many

BEGIN, END = "<!-- {}: written by `make permissions WRITE=--write` -->", "<!-- end -->"
NOT_WRITTEN = "docs/security.md does not say what is so any more: run `make permissions WRITE=--write`, and look at what changed"


def summary(judged, cases, outsiders):
    """One line."""
    calls = sum(judged.calls.values())
    tried = sum(len(case.functions) for case in cases)
    end = "all as it should be" if not judged.faults else f"{len(judged.faults)} faults:"
    return (
        f"{calls} different calls of the functions, {judged.requests} decisions; {len(cases)} hostile calls, tried {tried} times; "
        f"{len(outsiders)} tries of others at the topics and the key: {end}"
    )


def docs(path, template, cases, write):
    """Faults where the page does not say what is so; with `write`, it is made to."""
    page = path.read_text()
    made = {"rights": rights(template), "hostile": hostile(cases)}
    current = page
    for name, text in made.items():
        begin = BEGIN.format(name)
        current, count = re.subn(
            f"{re.escape(begin)}\n.*?{re.escape(END)}",
            lambda _: f"{begin}\n{text}\n{END}",
            current,
            flags=re.DOTALL,
        )
        if count != 1:
            return [f"docs/security.md has no place for {name}: {begin} … {END}"]
    if current == page:
        return []
    if write:
        path.write_text(current)
        return []
    return [NOT_WRITTEN]


def rights(template):
    """What each function may do, a table each."""
    functions = template.functions()
    common = shared(template, functions)
    parts = [table("All four", common, template)]
    for function, role in functions.items():
        own = [one for one in template.statements(role) if (one.policy, one.sid) not in common]
        parts.append(table(f"`{function}`", {(one.policy, one.sid): one for one in own}, template))
    return "\n\n".join(parts)


def shared(template, functions):
    of_each = [{(one.policy, one.sid): one for one in template.statements(role)} for role in functions.values()]
    return {key: one for key, one in of_each[0].items() if all(key in other for other in of_each)}


def table(title, statements, template):
    rows = [f"**{title}**", "", "| may | on | where |", "| --- | --- | --- |"]
    for statement in statements.values():
        actions = ", ".join(f"`{action}`" for action in statement.actions)
        about = statement.resources or statement.not_resources
        resources = ", ".join(f"`{short(resource)}`" if resource != "*" else "anything" for resource in about)
        resources = f"anything but {resources}" if statement.not_resources else resources
        deny = "never: " if statement.effect == "Deny" else ""
        rows.append(f"| {deny}{actions} | {resources} | {'; '.join(words(statement.conditions))} |")
    return "\n".join(rows)


def short(arn):
    """An ARN without what is the same for all."""
    return arn.split(":", 5)[5] if arn.startswith("arn:") else arn


def words(conditions):
    """A statement's conditions, a phrase each."""
    phrases = []
    for operator, pairs in conditions.items():
        for key, values in pairs.items():
            name = re.sub(r"^aws:(RequestTag|ResourceTag)/", "", key)
            of = "the call's tag" if "RequestTag" in key else "its tag" if "ResourceTag" in key else ""
            subject = f"{of} `{name}`".strip()
            values = list(dict.fromkeys(str(value) for value in many(values)))
            listed = " or ".join(f"`{value}`" for value in values)
            if operator == "Null" and of:
                phrases.append(f"{subject} {'is there' if values == ['false'] else 'is not among them'}")
            elif operator == "Null":
                continue  # That a key is there at all is no news for a reader.
            elif operator.startswith("ForAllValues"):
                phrases.append(f"each of {subject} is {listed}")
            else:
                phrases.append(f"{subject} is {listed}")
    return phrases


def hostile(cases):
    """The list, as a table."""
    rows = ["| to | tried as | denied |", "| --- | --- | --- |"]
    for case in cases:
        tried = "all four" if len(case.functions) == 4 else ", ".join(case.functions)
        with_ = f", with {', '.join(f'`{name}`' for name in case.parameters)} given" if case.parameters else ""
        rows.append(f"| {case.title} | {tried}{with_} | yes |")
    return "\n".join(rows)
