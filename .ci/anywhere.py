"""That the defaults can be deployed in a new account, in several regions of it, and under any stack name of 53 characters, and
that they neither cost what nobody has asked for nor use up what the account's other systems need."""

import permissions
from evaluated import Stack

# The longest that there are.
NAME, REGION = "s" * 53, "ap-northeast-1"

# The length of a name, by the property that gives it.
LONGEST = {
    ("AWS::ApiGatewayV2::Api", "Name"): 128,
    ("AWS::CloudFront::CachePolicy", "CachePolicyConfig.Name"): 64,
    ("AWS::CloudFront::Function", "Name"): 64,
    ("AWS::CloudWatch::Alarm", "AlarmName"): 255,
    ("AWS::CloudWatch::Dashboard", "DashboardName"): 255,
    ("AWS::Lambda::Function", "FunctionName"): 64,
    ("AWS::Logs::LogGroup", "LogGroupName"): 512,
    ("AWS::SQS::Queue", "QueueName"): 80,
}
# What has no name of its own that could be taken.
UNNAMED = ["AWS::IAM::ManagedPolicy", "AWS::IAM::Role", "AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"]
# Of the account, whatever the region.
GLOBAL = ["AWS::CloudFront::CachePolicy", "AWS::CloudFront::Function", "AWS::CloudWatch::Dashboard"]

# What API Gateway takes in a second from all of an account, and at once, in the regions where that is least.
# docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
QUOTA, BURST = 2500, 1250


def property_of(properties, path):
    for key in path.split("."):
        properties = properties[key]
    return properties


def names(stack):
    """The names that a deployment takes, by their types and resources."""
    for (kind, path), longest in LONGEST.items():
        for resource, properties in stack.of_type(kind).items():
            name = property_of(properties, path)
            assert isinstance(name, str) and len(name) <= longest, f"{resource}: {name} has {len(name)} characters"
            yield kind, resource, name


def check(template):
    everything = {"Alarms": "yes", "Dashboard": "yes"}
    usual = Stack(template, {})
    functions = usual.of_type("AWS::Lambda::Function")

    here, there = (list(names(Stack(template, everything, NAME, region))) for region in [REGION, "us-east-1"])
    for kind, resource, name in here:
        assert kind not in GLOBAL or (kind, resource, name) not in there, f"{resource} is called {name} in each region"
    again = [name for _, _, name in names(Stack(template, everything, "another", REGION))]
    assert not set(again) & {name for _, _, name in here}, "two stacks share a name"
    for kind in UNNAMED:
        for resource, properties in usual.of_type(kind).items():
            assert not {"RoleName", "ManagedPolicyName", "TableName", "Name"} & properties.keys(), resource
    known = {*GLOBAL, *UNNAMED, "AWS::CloudFront::Distribution"}
    unknown = {one["Type"] for one in usual.resources.values() if one["Type"].startswith(("AWS::CloudFront", "AWS::IAM"))} - known
    assert not unknown, f"are names of {unknown} the account's?"

    for name, properties in functions.items():
        assert "ReservedConcurrentExecutions" not in properties, f"{name} reserves what a new account does not have"
        assert properties["TracingConfig"] == {"Mode": "PassThrough"}, name
        assert properties["LoggingConfig"]["SystemLogLevel"] == "WARN", name

    for name, one in usual.resources.items():
        retained = {one.get("DeletionPolicy"), one.get("UpdateReplacePolicy")} == {"Retain"}
        assert retained == (one["Type"] == "AWS::SecretsManager::Secret"), f"{name} is {'' if retained else 'not '}retained"
    [table] = usual.of_type("AWS::DynamoDB::Table").values()
    assert "SSESpecification" not in table, "the table's key costs money"

    closed = Stack(template, {"PublicFunctionUrls": "no"})
    open_to = {one["Principal"] for one in closed.of_type("AWS::Lambda::Permission").values()}
    assert not closed.of_type("AWS::Lambda::Url") and "*" not in open_to, "a function is public all the same"

    # Whoever sends to the queue that invokes it must be let, and nobody else.
    granted = permissions.permissions(template)
    feeding = {
        mapping["FunctionName"]["Ref"]
        for mapping in usual.of_type("AWS::Lambda::EventSourceMapping").values()
        if f"{mapping['FunctionName']['Ref']} sqs:SendMessage {'.'.join(mapping['EventSourceArn']['Fn::GetAtt'])}" in granted
    }
    allowed = {name for name, properties in functions.items() if properties.get("RecursiveLoop") == "Allow"}
    assert feeding == allowed, f"{feeding} feed themselves, and {allowed} may"

    once = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    invoked = {one["FunctionName"]["Ref"]: one for one in usual.of_type("AWS::Lambda::EventInvokeConfig").values()}
    for rule in usual.of_type("AWS::Events::Rule").values():
        for target in rule["Targets"]:
            name = target["Arn"]["Fn::GetAtt"][0]
            assert target["RetryPolicy"] == once and once.items() <= invoked[name].items(), f"{name} is repeated"

    stages = usual.of_type("AWS::ApiGatewayV2::Stage")
    assert len(stages) == len(usual.of_type("AWS::ApiGatewayV2::Api"))
    for name, properties in stages.items():
        limits = properties["DefaultRouteSettings"]
        rate, burst = (int(limits[f"Throttling{kind}Limit"]) for kind in ["Rate", "Burst"])
        assert 0 < rate <= QUOTA / 2 and 0 < burst <= BURST, f"{name} may use up the account's quota"
