"""The loop that Lambda's own runtime has for Python, and no more of it: in favour of the rival."""

import http.client
import json
import os

from index import handler

connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def ask(method, path, body=None):
    connection.request(method, f"/2018-06-01/runtime/{path}", body)
    response = connection.getresponse()
    return response.headers, response.read()


while True:
    headers, event = ask("GET", "invocation/next")
    path = f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}"
    try:
        answer = handler(json.loads(event))
    except Exception as error:
        ask("POST", f"{path}/error", json.dumps({"errorMessage": str(error)}))
    else:
        ask("POST", f"{path}/response", json.dumps(answer))
