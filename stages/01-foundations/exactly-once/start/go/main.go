// exactly-once: `add {delta}` on any node must count once, on the counter of n1. `read {}` gives its value.
package main

import "dlab"

func main() {
	n := dlab.New()
	value := int64(0) // as it stands, every node counts for itself

	n.On("add", func(m dlab.Message) {
		var body struct {
			Delta int64 `json:"delta"`
		}
		if err := m.Decode(&body); err != nil {
			n.ReplyError(m, 12, err.Error())
			return
		}
		value += body.Delta
		// Your code comes here. Only n1 may count: a node that is not n1 (see n.ID) hands the add to n1 and answers the
		// client when n1 has answered. n.RPC("n1", dlab.Body{"type": ...}, onAnswer, timeoutMs) sends a request;
		// onAnswer gets the answer, or one of the type "error" when none came in time.
		n.Reply(m, dlab.Body{"type": "add_ok"})
	})

	n.On("read", func(m dlab.Message) {
		n.Reply(m, dlab.Body{"type": "read_ok", "value": value})
	})

	n.Run()
}
