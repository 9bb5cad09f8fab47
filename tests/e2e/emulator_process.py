"""The process of the emulator: MiniStack, with answers that take as long as a network's do.

Why each change is made stands here, since nobody sees it by the result:

- Answers wait a moment. Where one comes before the client has seen that its request is written whole,
  Go's HTTP client closes the connection in the middle of the answer, and Terraform's AWS provider sends
  the request once more: what it creates is there twice, and the second answer is a conflict.
- Without Nagle's algorithm an invocation does not wait 40 ms for an acknowledgement.
"""

import asyncio
import socketserver

from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol
from ministack.app import main

ANSWER_AFTER_SECONDS = 0.005

at_once = H11Protocol.stream_send


async def after_a_moment(self, event):
    if isinstance(event, Response):
        await asyncio.sleep(ANSWER_AFTER_SECONDS)
    await at_once(self, event)


H11Protocol.stream_send = after_a_moment
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

if __name__ == "__main__":
    main()
