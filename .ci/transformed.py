"""What CloudFormation gets when SAM has transformed the template: that SAM adds no permission, that each function is what the
template's head says, and that no resource waits for itself. Prints who may do what. Run with the Python that SAM is in."""

import graphlib
import json
import os
import re
import sys

import anywhere
import parameters
import permissions
from evaluated import references
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """None is looked up, since none is used."""

    def load(self):
        return {}


def resources(template, kind):
    return {name: one["Properties"] for name, one in template["Resources"].items() if one["Type"] == kind}


os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
source = yaml_parse(open("template.yaml").read())
template = yaml_parse(open("template.yaml").read())
# Where a deployment has put the code.
template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
transformed = transform(template, {}, NoManagedPolicies())

functions = resources(transformed, "AWS::Lambda::Function")
assert functions.keys() == resources(source, "AWS::Serverless::Function").keys()
roles, policies = (resources(transformed, f"AWS::IAM::{kind}") for kind in ["Role", "ManagedPolicy"])
assert roles == resources(source, "AWS::IAM::Role"), "SAM has made or changed a role"
assert policies == resources(source, "AWS::IAM::ManagedPolicy"), "SAM has made or changed a policy"
others = {one["Type"] for one in transformed["Resources"].values()} - {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}
# Such as a policy that attaches itself to a role, or one of a queue or a secret.
grants = {kind for kind in others if kind.startswith("AWS::IAM::") or kind.endswith(("::Policy", "ResourcePolicy", "QueuePolicy"))}
assert not grants, f"{grants} may grant what the table of permissions does not show"

used = [properties["Role"]["Fn::GetAtt"][0] for properties in functions.values()]
assert sorted(used) == sorted(roles), "each function has a role, and each role one function"
for name, properties in functions.items():
    assert properties["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}, name
    assert properties["LoggingConfig"] == {
        "LogFormat": "JSON", "SystemLogLevel": "WARN", "LogGroup": {"Ref": f"{name}Logs"},
    }, name
    assert properties["TracingConfig"] == {"Mode": {"Ref": "Tracing"}}, name
    assert properties["Architectures"] == [{"Ref": "Architecture"}], name

# What IAM takes: ten policies a role, and so many characters without spaces. An ARN has no more than 150.
def size(document):
    references = "x" * 150
    text = json.dumps(document)
    text = re.sub(r'\{"(?:Ref|Fn::GetAtt)": (?:"[^"]*"|\[[^]]*\])\}', references, text)
    return len("".join(re.sub(r"\$\{[^}]*\}", references, text).split()))


for name, properties in policies.items():
    assert properties.keys() == {"PolicyDocument"}, f"{name} has a name of its own, or attaches itself"
    assert size(properties["PolicyDocument"]) <= 6144, name
    sharing = [role for role, of in roles.items() if {"Ref": name} in of["ManagedPolicyArns"]]
    assert len(sharing) > 1, f"{name} is shared by nobody"

for name, properties in roles.items():
    assert properties["PermissionsBoundary"] == {
        "Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]
    }, name
    trusted = [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    assert properties["AssumeRolePolicyDocument"]["Statement"] == trusted, name
    # Each is one of this template's.
    assert all(policies[attached["Ref"]] for attached in properties["ManagedPolicyArns"]), name
    assert len(properties["ManagedPolicyArns"]) <= 10, name
    assert sum(size(policy["PolicyDocument"]) for policy in properties["Policies"]) <= 10240, name

for name, properties in [*roles.items(), *policies.items()]:
    for policy in properties.get("Policies", [properties]):
        for statement in policy["PolicyDocument"]["Statement"]:
            # One that is there by condition.
            statement = statement.get("Fn::If", [None, statement])[1]
            actions, of = statement["Action"], statement["Resource"]
            actions = actions if isinstance(actions, list) else [actions]
            assert not any("*" in action for action in actions), (name, actions)
            if statement.get("Sid") == "Trace":
                assert all(action.startswith("xray:") for action in actions), (name, actions)
            else:
                assert of != "*" and "*" not in (of if isinstance(of, list) else []), (name, statement["Sid"])

# Anybody may call what has a function URL, and nothing else.
urls = {f"{name}" for name in resources(transformed, "AWS::Lambda::Url")}
for name, properties in resources(transformed, "AWS::Lambda::Permission").items():
    if properties["Principal"] == "*":
        assert properties.get("FunctionUrlAuthType") == "NONE" or properties.get("InvokedViaFunctionUrl"), name
    else:
        assert "SourceArn" in properties, f"{name} lets any API of anybody's call"

for table in [permissions, parameters]:
    table.check(transformed, write="--write" in sys.argv)
anywhere.check(transformed)

needs = {name: references(one) & transformed["Resources"].keys() for name, one in transformed["Resources"].items()}
# Which fails where there is a circle.
graphlib.TopologicalSorter(needs).prepare()

count = len(transformed["Resources"])
assert count <= 500, "CloudFormation takes no more resources"
print(f"{count} resources, {len(functions)} functions, {len(roles)} roles, {len(urls)} function URLs")
