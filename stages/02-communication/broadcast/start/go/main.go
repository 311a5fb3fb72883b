// broadcast: a value that one node was given must reach all nodes.
//
// A client sends {"type": "broadcast", "message": 7} to one node and {"type": "read"} to any.
package main

import "dlab"

func main() {
	n := dlab.New()
	values := []int64{}

	n.On("topology", func(m dlab.Message) {
		// The body's "topology" says who your neighbours could be. You may as well choose your own.
		n.Reply(m, dlab.Body{"type": "topology_ok"})
	})

	n.On("broadcast", func(m dlab.Message) {
		var body struct {
			Message int64 `json:"message"`
		}
		if err := m.Decode(&body); err != nil {
			n.ReplyError(m, 12, err.Error())
			return
		}
		values = append(values, body.Message)
		// Your code comes here. The other nodes (n.IDs) must learn the value too. The network may lose what you
		// send, so ask for an answer: n.RPC(dest, body, onAnswer, timeoutMs).
		n.Reply(m, dlab.Body{"type": "broadcast_ok"})
	})

	n.On("read", func(m dlab.Message) {
		n.Reply(m, dlab.Body{"type": "read_ok", "messages": values})
	})

	n.Run()
}
