"""Starts ministack with what its CloudFormation does not know of the WebSocket API, though its API Gateway does."""

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
