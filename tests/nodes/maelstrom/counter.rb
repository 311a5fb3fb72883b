#!/usr/bin/env ruby
# A counter that is kept in the service seq-kv under one key per node; reads ask for all keys, and write first, so
# that the sequential store may not answer from its past.
require "json"

$name = nil
$nodes = []
$number = 0
$waiting = {}
$own = 0

def send(dest, body)
  puts JSON.generate(src: $name, dest: dest, body: body)
  STDOUT.flush
end

def ask(body, &done)
  $number += 1
  $waiting[$number] = done
  send("seq-kv", body.merge(msg_id: $number))
end

def reply(request, body)
  send(request["src"], body.merge(in_reply_to: request["body"]["msg_id"]))
end

def sum(request, rest, total)
  return reply(request, { type: "read_ok", value: total }) if rest.empty?
  ask({ type: "read", key: rest.first }) do |b|
    sum(request, rest.drop(1), total + (b["type"] == "read_ok" ? b["value"] : 0))
  end
end

STDIN.each_line do |line|
  m = JSON.parse(line)
  b = m["body"]
  case b["type"]
  when "init"
    $name, $nodes = b["node_id"], b["node_ids"]
    ask({ type: "write", key: $name, value: 0 }) { reply(m, { type: "init_ok" }) } # answered after the service has
  when "add"
    $own += b["delta"]
    ask({ type: "write", key: $name, value: $own }) { reply(m, { type: "add_ok" }) }
  when "read"
    ask({ type: "write", key: "turn", value: "#{$name} #{$number}" }) { sum(m, $nodes, 0) }
  else
    done = $waiting.delete(b["in_reply_to"])
    done&.call(b)
  end
end
