"""Who may do what: a line for each permission that the transformed template grants. A line names who may do it (a function,
or a service that invokes one), the action, the resource and the condition. `when` names the template's condition that puts
the permission there."""

import difflib
import pathlib

# The committed table. `.ci/transformed.py --write` writes it anew; its diff is what a reviewer looks at.
TABLE = pathlib.Path(__file__).with_name("permissions.txt")


def as_list(value):
    return value if isinstance(value, list) else [value]


def chosen(items):
    """The items of a list, each with the template's condition that puts it there, if one does."""
    for item in items:
        if isinstance(item, dict) and item.keys() == {"Fn::If"}:
            condition, there, otherwise = item["Fn::If"]
            assert otherwise == {"Ref": "AWS::NoValue"}, f"{condition} chooses between two"
            yield there, condition
        else:
            yield item, None


def name(resource):
    """A resource as the template writes it: a logical name, an attribute, or an ARN with references in it."""
    if not isinstance(resource, dict):
        return str(resource)
    [(function, value)] = resource.items()
    assert function in ("Ref", "Fn::GetAtt", "Fn::Sub"), resource
    if function == "Fn::Sub" and isinstance(value, list):
        text, named = value
        for key, one in named.items():
            text = text.replace(f"${{{key}}}", f"${{{name(one)}}}")
        return text
    return ".".join(as_list(value))


def documents(role, resources):
    """The policies of a role, each with the template's condition that attaches it, if one does."""
    for policy in role.get("Policies", []):
        yield policy["PolicyDocument"], None
    for attached, condition in chosen(role.get("ManagedPolicyArns", [])):
        policy = resources[attached["Ref"]]
        assert policy["Type"] == "AWS::IAM::ManagedPolicy", attached
        yield policy["Properties"]["PolicyDocument"], condition


def granted(document):
    """What a policy grants: actions, resources, conditions, and the template's condition of the statement."""
    assert document.keys() == {"Version", "Statement"} and document["Version"] == "2012-10-17", document
    for statement, condition in chosen(document["Statement"]):
        assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}, statement
        assert statement["Effect"] == "Allow", statement
        only_if = " and ".join(
            f"{operator}({key})={','.join(sorted(as_list(values)))}"
            for operator, keys in sorted(statement.get("Condition", {}).items())
            for key, values in sorted(keys.items())
        )
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                yield action, name(resource), only_if, condition


def line(who, action, resource, only_if, when):
    text = f"{who} {action} {resource}"
    text += f" if {only_if}" if only_if else ""
    return text + (f" when {' and '.join(sorted(when))}" if when else "")


def of_functions(resources):
    """What each function may do, by the policies of its role."""
    for function, one in resources.items():
        if one["Type"] != "AWS::Lambda::Function":
            continue
        role, attribute = one["Properties"]["Role"]["Fn::GetAtt"]
        assert attribute == "Arn", function
        for document, attached_if in documents(resources[role]["Properties"], resources):
            for action, resource, only_if, stated_if in granted(document):
                yield line(function, action, resource, only_if, {attached_if, stated_if} - {None})


def of_invokers(resources):
    """Who may invoke which function."""
    conditions = ["SourceArn", "FunctionUrlAuthType", "InvokedViaFunctionUrl"]
    for permission, one in resources.items():
        if one["Type"] != "AWS::Lambda::Permission":
            continue
        properties = one["Properties"]
        assert properties.keys() <= {"Action", "FunctionName", "Principal", *conditions}, permission
        only_if = [f"{key}={name(properties[key])}" for key in conditions if key in properties]
        when = {one["Condition"]} if "Condition" in one else set()
        yield line(properties["Principal"], properties["Action"], name(properties["FunctionName"]), " and ".join(only_if), when)


def permissions(transformed):
    """The table, in order."""
    resources = transformed["Resources"]
    return sorted({*of_functions(resources), *of_invokers(resources)})


def check(transformed, write):
    """Prints the table, and compares it with the committed one."""
    lines = permissions(transformed)
    print("\n".join(lines))
    if write:
        TABLE.write_text("\n".join(lines) + "\n")
    committed = TABLE.read_text().splitlines()
    difference = list(difflib.unified_diff(committed, lines, str(TABLE), "template.yaml", lineterm="", n=0))
    assert not difference, "the template grants something else than the table says:\n" + "\n".join(difference)
