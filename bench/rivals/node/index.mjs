// A redirect with counting, as a user of the AWS SDK v3 writes it.

import { randomUUID } from 'node:crypto';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';

const dynamodb = new DynamoDBClient({});
const sqs = new SQSClient({});
const TTL = 30_000;
const cache = new Map();

async function find(slug) {
  const known = cache.get(slug);
  if (known && Date.now() - known.at < TTL) return known.url;
  const { Item } = await dynamodb.send(
    new GetItemCommand({ TableName: process.env.TABLE, Key: { slug: { S: slug } } }),
  );
  if (!Item) return undefined;
  cache.set(slug, { url: Item.url.S, at: Date.now() });
  return Item.url.S;
}

export async function handler(event) {
  const slug = event.pathParameters?.slug;
  const url = slug && (await find(slug));
  if (!url) return { statusCode: 404 };
  const { headers } = event;
  const click = {
    id: randomUUID(),
    slug,
    userAgent: headers['user-agent'],
    referrer: headers.referer,
    language: headers['accept-language'],
    country: headers['cloudfront-viewer-country'],
  };
  await sqs.send(
    new SendMessageCommand({ QueueUrl: process.env.QUEUE_URL, MessageBody: JSON.stringify(click) }),
  );
  console.log(JSON.stringify({ level: 'info', message: 'redirected', slug }));
  return { statusCode: 302, headers: { location: url, 'cache-control': 'private, no-store' } };
}
