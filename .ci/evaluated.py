"""A transformed template as CloudFormation makes it with given parameters: conditions decided, parameters in their places.
References to resources stay as they are."""

import re
import uuid

REMOVED = object()


class Stack:
    """What a deployment of the template consists of."""

    def __init__(self, template, parameters, name="channels", region="us-east-1"):
        self.template = template
        declared = template["Parameters"]
        unknown = parameters.keys() - declared.keys()
        assert not unknown, f"no parameters: {unknown}"
        stack_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{region}/{name}")
        self.values = {
            "AWS::StackName": name,
            "AWS::Region": region,
            "AWS::Partition": "aws",
            "AWS::AccountId": "123456789012",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackId": f"arn:aws:cloudformation:{region}:123456789012:stack/{name}/{stack_id}",
            **{key: str(one["Default"]) for key, one in declared.items()},
            **parameters,
        }
        for key, one in declared.items():
            value = self.values[key]
            assert value in map(str, one.get("AllowedValues", [value])), f"{key}={value}"
            assert re.search(one.get("AllowedPattern", ""), value), f"{key}={value}"
        for rule, one in template.get("Rules", {}).items():
            if self.of(one["RuleCondition"]):
                assert all(self.of(assertion["Assert"]) for assertion in one["Assertions"]), rule
        self.resources = self.present("Resources")
        self.outputs = self.present("Outputs")
        missing = set().union(*map(references, [*self.resources.values(), *self.outputs.values()])) - self.resources.keys()
        assert not missing, f"{parameters}: something refers to {missing}, which is not there"

    def present(self, section):
        there = {}
        for key, one in self.template[section].items():
            if "Condition" not in one or self.condition(one["Condition"]):
                there[key] = self.of({name: value for name, value in one.items() if name not in ("Condition", "Metadata")})
        return there

    def condition(self, name):
        return self.of(self.template["Conditions"][name])

    def of(self, value):
        """A value with all in it decided that parameters decide."""
        if isinstance(value, list):
            return [one for one in map(self.of, value) if one is not REMOVED]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            known = getattr(self, function.replace("Fn::", "").lower() + "_", None)
            if known and (function in ("Ref", "Condition") or function.startswith("Fn::")):
                return known(argument)
        decided = {key: self.of(one) for key, one in value.items()}
        return {key: one for key, one in decided.items() if one is not REMOVED}

    def ref_(self, name):
        return REMOVED if name == "AWS::NoValue" else self.values.get(name, {"Ref": name})

    def condition_(self, name):
        return self.condition(name)

    def if_(self, argument):
        condition, there, otherwise = argument
        return self.of(there if self.condition(condition) else otherwise)

    def equals_(self, argument):
        left, right = map(self.of, argument)
        return str(left) == str(right)

    def not_(self, argument):
        return not self.of(argument[0])

    def and_(self, argument):
        return all(map(self.of, argument))

    def or_(self, argument):
        return any(map(self.of, argument))

    def findinmap_(self, argument):
        name, first, second = map(self.of, argument)
        return self.template["Mappings"][name][first][second]

    def split_(self, argument):
        delimiter, text = map(self.of, argument)
        return text.split(delimiter) if isinstance(text, str) else {"Fn::Split": [delimiter, text]}

    def select_(self, argument):
        index, items = argument[0], self.of(argument[1])
        return items[int(index)] if isinstance(items, list) else {"Fn::Select": [index, items]}

    def sub_(self, argument):
        text, named = argument if isinstance(argument, list) else (argument, {})
        values = {**self.values, **{key: self.of(one) for key, one in named.items()}}
        text = re.sub(r"\$\{([^!}]+)\}", lambda found: str(values.get(found[1], found[0])), text)
        return {"Fn::Sub": text} if "${" in text else text

    def of_type(self, kind):
        return {name: one["Properties"] for name, one in self.resources.items() if one["Type"] == kind}


def references(value):
    """The logical names that a value refers to."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    names = set()
    for key, one in value.items():
        if key in ("Ref", "DependsOn"):
            names.update(one if isinstance(one, list) else [one])
        elif key == "Fn::GetAtt":
            names.add(one[0] if isinstance(one, list) else one.split(".")[0])
        elif key == "Fn::Sub":
            text, named = one if isinstance(one, list) else (one, {})
            names.update(name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text) if name not in named)
            names |= references(named)
        else:
            names |= references(one)
    return names
