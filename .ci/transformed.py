"""What CloudFormation gets when SAM has transformed the template: that nothing has been added to what each function may do,
and that each is what the template's head says. Prints who may do what. Run with the Python that SAM is installed in."""

import os
import sys

import permissions
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
roles = resources(transformed, "AWS::IAM::Role")
assert roles == resources(source, "AWS::IAM::Role"), "SAM has made or changed a role"
assert not any(kind.startswith("AWS::IAM::") and kind != "AWS::IAM::Role" for kind in
               (one["Type"] for one in transformed["Resources"].values()))

used = [properties["Role"]["Fn::GetAtt"][0] for properties in functions.values()]
assert sorted(used) == sorted(roles), "each function has a role, and each role one function"
for name, properties in functions.items():
    assert properties["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}, name
    assert properties["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": {"Ref": f"{name}Logs"}}, name
    assert properties["TracingConfig"] == {"Mode": {"Ref": "Tracing"}}, name
    assert properties["Architectures"] == [{"Ref": "Architecture"}], name

for name, properties in roles.items():
    assert "ManagedPolicyArns" not in properties, name
    for policy in properties["Policies"]:
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

permissions.check(transformed, write="--write" in sys.argv)

count = len(transformed["Resources"])
assert count <= 500, "CloudFormation takes no more resources"
print(f"{count} resources, {len(functions)} functions, {len(roles)} roles, {len(urls)} function URLs")
