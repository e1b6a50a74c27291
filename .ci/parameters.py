"""What each parameter of the template changes: a table of its other value and of the properties that then differ. Prints,
for whoever deploys with them, the other values."""

import difflib
import json
import pathlib

from evaluated import Stack

# The committed table. `.ci/transformed.py --write` writes it anew.
TABLE = pathlib.Path(__file__).with_name("parameters.txt")

CERTIFICATE = {"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0"}
DOMAIN = {"DomainName": "live.example.com", **CERTIFICATE}

# Each parameter at another value than its default.
OTHERS = [
    {"AppId": "2002"},
    {"AppKey": "another-key"},
    DOMAIN,
    {"HostedZoneId": "Z0123456789ABCDEFGHIJ"},
    {"PriceClass": "PriceClass_100"},
    {"Architecture": "x86_64"},
    {"GreetVia": "invoke"},
    {"WebhooksTo": "any"},
    {"ProbeSeconds": "60"},
    {"FanoutInlineMax": "1"},
    {"SubscribersPerShard": "500"},
    {"FanoutConcurrency": "20"},
    {"PostsPerSecond": "2000"},
    {"StreamLifeSeconds": "60"},
    {"StreamConcurrency": "100"},
    {"SessionConcurrency": "50"},
    {"PublicFunctionUrls": "no"},
    {"SocketRequestsPerSecond": "4000"},
    {"HttpRequestsPerSecond": "3000"},
    {"WebAclArn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/acl/0"},
    {"MaxReadRequestUnits": "6000"},
    {"MaxWriteRequestUnits": "5000"},
    {"DeletionProtection": "yes"},
    {"PermissionsBoundary": "arn:aws:iam::123456789012:policy/boundary"},
    {"PingRoute": "yes"},
    {"Alarms": "yes"},
    {"AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:topic"},
    {"Dashboard": "yes"},
    {"ConnectionsEndpoint": "http://127.0.0.1:9"},
    {"LogDays": "30"},
    {"Tracing": "Active"},
]

# What some of them do not work without. They are compared with a deployment that has it.
GIVEN = {"HostedZoneId": DOMAIN, "AlarmTopicArn": {"Alarms": "yes"}}


def all_others():
    """Every parameter at its other value at once."""
    together = {}
    for other in OTHERS:
        together.update(other)
    return together


def by_name(items):
    """A list's items by their names, where they have some."""
    keys = ["Id", "PathPattern", "Sid", "IndexName"]
    named = [next((one[key] for key in keys if isinstance(one, dict) and key in one), None) for one in items]
    return {name or str(index): one for index, (name, one) in enumerate(zip(named, items))}


def changes(before, after, path):
    """What differs between two values, by where it stands."""
    if isinstance(before, list) and isinstance(after, list):
        before, after = by_name(before), by_name(after)
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from changes(before.get(key), after.get(key), [*path, key])
    elif before != after:
        before, after = ("nothing" if one is None else json.dumps(one).strip('"') for one in (before, after))
        # What is gone the template shows.
        yield ".".join(path), "is not there" if after == "nothing" and before[0] in "[{" else f"{before} -> {after}"


def differences(usual, other):
    """What differs between two deployments: a resource, and a line for each difference."""
    for name in sorted(usual.resources.keys() | other.resources.keys()):
        before, after = usual.resources.get(name), other.resources.get(name)
        if before is None or after is None:
            yield name, "is there" if before is None else "is not there"
            continue
        for path, change in changes(before, after, []):
            yield name, f"{path.removeprefix('Properties.')}: {change}"
    for path, change in changes(usual.outputs, other.outputs, []):
        yield "outputs", f"{path}: {change}"


def table(template):
    functions = Stack(template, {}).of_type("AWS::Lambda::Function").keys()
    for other in OTHERS:
        yield " ".join(f"{name}={value}" for name, value in other.items())
        given = GIVEN.get(next(iter(other)), {})
        # What is the same of several is said once.
        same = {}
        for name, difference in differences(Stack(template, given), Stack(template, {**given, **other})):
            same.setdefault(difference, []).append(name)
        assert same, f"{other} changes nothing"
        for difference, names in same.items():
            names = ["every function"] if set(names) == functions else names
            yield f"  {', '.join(names)}: {difference}"


def check(template, write):
    """Compares the table with the committed one. That nothing refers to what is not there is checked along the way."""
    named = {name for other in OTHERS for name in other}
    assert named == template["Parameters"].keys(), f"without another value: {template['Parameters'].keys() ^ named}"
    for name, other in zip(named, map(all_others().get, named)):
        assert other != str(template["Parameters"][name]["Default"]), f"{name} is at its default"
    Stack(template, all_others())
    Stack(template, {**all_others(), "PublicFunctionUrls": "yes"})
    lines = list(table(template))
    if write:
        TABLE.write_text("\n".join(lines) + "\n")
    committed = TABLE.read_text().splitlines()
    difference = list(difflib.unified_diff(committed, lines, str(TABLE), "template.yaml", lineterm="", n=0))
    assert not difference, "parameters change something else than the table says:\n" + "\n".join(difference)


if __name__ == "__main__":
    print(*(f"{name}={value}" for name, value in all_others().items()))
