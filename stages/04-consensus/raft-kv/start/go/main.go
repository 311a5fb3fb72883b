// raft-kv: `read {key}`, `write {key, value}` and `cas {key, from, to}` on any node; all nodes hold one map.
package main

import "dlab"

// Operation is a request of a client, and later an entry of the log.
type Operation struct {
	Type    string `json:"type"`
	Key     int64  `json:"key"`
	Value   int64  `json:"value"`
	From    int64  `json:"from"`
	To      int64  `json:"to"`
	Session string `json:"session"`
	Seq     int64  `json:"seq"`
}

// Store is the state machine.
type Store map[int64]int64

// Execute carries out one operation, and returns the answer.
func (s Store) Execute(op Operation) dlab.Body {
	value, found := s[op.Key]
	switch {
	case op.Type == "write":
		s[op.Key] = op.Value
		return dlab.Body{"type": "write_ok"}
	case !found:
		return dlab.Body{"type": "error", "code": 20, "text": "no such key"}
	case op.Type == "read":
		return dlab.Body{"type": "read_ok", "value": value}
	case value != op.From:
		return dlab.Body{"type": "error", "code": 22, "text": "another value"}
	}
	s[op.Key] = op.To
	return dlab.Body{"type": "cas_ok"}
}

func main() {
	n := dlab.New()
	store := Store{} // as it stands, every node has a map of its own

	request := func(m dlab.Message) {
		var op Operation
		if err := m.Decode(&op); err != nil {
			n.ReplyError(m, 12, err.Error())
			return
		}
		// Your code comes here. A node that does not lead answers error 11. The leader puts op into its log, and answers when
		// the entry is committed and applied: with Execute, once for each pair of session and seq.
		n.Reply(m, store.Execute(op))
	}
	for _, kind := range []string{"read", "write", "cas"} {
		n.On(kind, request)
	}
	n.Run()
}
