#!/usr/bin/env ruby
# echo without lockstep: answers from threads, in any order, and ends with its stdin.
require "json"

lock = Mutex.new
name = nil
number = 0
threads = []

STDIN.each_line do |line|
  message = JSON.parse(line)
  threads << Thread.new(message) do |m|
    body = m["body"]
    answer = case body["type"]
             when "init"
               name = body["node_id"]
               { type: "init_ok" }
             when "echo" then { type: "echo_ok", echo: body["echo"] }
             else { type: "error", code: 10, text: "no #{body["type"].inspect} here" }
             end
    lock.synchronize do
      number += 1
      STDOUT.puts JSON.generate(src: name, dest: m["src"], body: answer.merge(msg_id: number, in_reply_to: body["msg_id"]))
      STDOUT.flush
      STDERR.puts "answered #{number}"
    end
  end
end
threads.each(&:join)
