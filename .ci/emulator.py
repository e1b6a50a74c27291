"""Starts ministack with what its CloudFormation does not know: of the WebSocket API, which its API Gateway does know, and of
alarms."""

import json

from ministack.app import main
from ministack.services import apigateway
from ministack.services.cloudformation import provisioners


def lower_first(properties):
    return {name[0].lower() + name[1:]: value for name, value in properties.items()}


def made_by(create, path, identifier):
    """A resource that is made by a call of the API, and stays until its API goes."""

    def handler(logical_id, properties, stack_name):
        # A reference to a route is its API's id and its own.
        ids = [properties[name].split("/")[-1] for name in path]
        answer = create(*ids, lower_first(properties))
        body = json.loads(answer[2])
        return body[identifier], {}

    return {"create": handler, "delete": lambda physical_id, properties: None}


def on_one_metric(record):
    """An alarm on a sum of metrics is one on the first of them here. Nobody waits for alarms."""

    def recorded(name, properties):
        of = [one["MetricStat"] for one in properties.get("Metrics", []) if "MetricStat" in one]
        if of:
            first = {**of[0]["Metric"], "Period": of[0]["Period"], "Statistic": of[0]["Stat"]}
            properties = {key: value for key, value in properties.items() if key != "Metrics"} | first
        return record(name, properties)

    return recorded


provisioners._cw_metric_alarm_record = on_one_metric(provisioners._cw_metric_alarm_record)
provisioners._RESOURCE_HANDLERS.update(
    {
        "AWS::ApiGatewayV2::IntegrationResponse": made_by(
            apigateway._create_integration_response, ["ApiId", "IntegrationId"], "integrationResponseId"
        ),
        "AWS::ApiGatewayV2::RouteResponse": made_by(
            apigateway._create_route_response, ["ApiId", "RouteId"], "routeResponseId"
        ),
    }
)

if __name__ == "__main__":
    main()
