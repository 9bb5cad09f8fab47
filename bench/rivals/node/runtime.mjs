// The loop that Lambda's own runtime has for Node.js, and no more of it: in favour of the rival.

import http from 'node:http';
import { handler } from './index.mjs';

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const options = { agent, host, port, method, path: `/2018-06-01/runtime/${path}` };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve([response.headers, Buffer.concat(parts).toString()]));
    });
    request.on('error', reject);
    request.end(body);
  });
}

for (;;) {
  const [headers, event] = await ask('GET', 'invocation/next');
  const path = `invocation/${headers['lambda-runtime-aws-request-id']}`;
  try {
    const answer = await handler(JSON.parse(event));
    await ask('POST', `${path}/response`, JSON.stringify(answer));
  } catch (error) {
    await ask('POST', `${path}/error`, JSON.stringify({ errorMessage: String(error) }));
  }
}
