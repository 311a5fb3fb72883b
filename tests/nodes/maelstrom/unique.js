#!/usr/bin/env node
// unique-ids without lockstep: ids of the clock, a count and the node's name; answers a little later.
'use strict';
const lines = require('readline').createInterface({ input: process.stdin });
let name;
let count = 0;

function reply(request, body) {
  const message = { src: name, dest: request.src, body: { ...body, in_reply_to: request.body.msg_id } };
  process.stdout.write(JSON.stringify(message) + '\n');
}

lines.on('line', (line) => {
  const request = JSON.parse(line);
  if (request.body.type === 'init') {
    name = request.body.node_id;
    reply(request, { type: 'init_ok' });
  } else if (request.body.type === 'generate') {
    const id = `${name}-${Date.now()}-${process.pid}-${++count}`;
    setTimeout(() => reply(request, { type: 'generate_ok', id }), Math.random() * 5);
  } else {
    reply(request, { type: 'error', code: 10, text: 'not known here' });
  }
});
