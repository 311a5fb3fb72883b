// exactly-once: a counter at n1 that counts every add once, though the network loses and doubles messages.
//
// Exactly once = at least once (the front sends an add until n1 has answered) and at most once (n1 knows the adds that
// it has already counted, by their keys).
//
// A key is <front>-<life>-<number>. It is made when the client asks and stays the same in every retry. The life goes up
// at every start of the front, so that a front that forgot how far it had counted cannot use an old key again.
//
// n1 writes the value and the keys in one file before it answers: a crash loses neither, or both.
//
// Pauses double from 200 ms to 2 s. Half of each is chance, so that many fronts do not come back at one instant.
//
// A front stops after 18 s, and a message is under way for 3 s at most. So a key that is 25 s old is of no more use.
package main

import (
	"encoding/json"
	"fmt"

	"dlab"
)

const (
	server         = "n1"
	firstPauseMs   = 200
	longestPauseMs = 2000
	tryMs          = 18000
	keepMs         = 25000
)

// counter is what n1 keeps, in memory and in its file.
type counter struct {
	Value int64            `json:"value"`
	Seen  map[string]int64 `json:"seen"` // key -> when it was applied
}

type node struct {
	*dlab.Node
	counter counter
	life    int
	number  int
}

type apply struct {
	Type  string `json:"type"`
	Key   string `json:"key"`
	Delta *int64 `json:"delta"`
}

func main() {
	n := &node{Node: dlab.New(), counter: counter{Seen: map[string]int64{}}}
	n.On("init", n.init)
	n.On("add", n.add)
	n.On("read", n.read)
	n.On("apply", n.apply)
	n.On("get", func(m dlab.Message) { n.Reply(m, dlab.Body{"type": "get_ok", "value": n.counter.Value}) })
	n.Run()
}

func (n *node) init(m dlab.Message) {
	n.Load("life", &n.life)
	n.life++
	n.Save("life", n.life)
	n.Load("counter", &n.counter)
}

// --- a front ---

func (n *node) add(m dlab.Message) {
	var body struct{ Delta *int64 }
	if m.Decode(&body) != nil || body.Delta == nil {
		n.ReplyError(m, 12, "delta must be a whole number")
		return
	}
	n.number++
	request := apply{Type: "apply", Key: fmt.Sprintf("%s-%d-%d", n.ID, n.life, n.number), Delta: body.Delta}
	if n.ID == server {
		n.count(request)
		n.Reply(m, dlab.Body{"type": "add_ok"})
		return
	}
	n.ask(request, m, func(answer dlab.Message) dlab.Body { return dlab.Body{"type": "add_ok"} })
}

func (n *node) read(m dlab.Message) {
	if n.ID == server {
		n.Reply(m, dlab.Body{"type": "read_ok", "value": n.counter.Value})
		return
	}
	n.ask(dlab.Body{"type": "get"}, m, func(answer dlab.Message) dlab.Body {
		var body struct{ Value json.RawMessage }
		answer.Decode(&body)
		return dlab.Body{"type": "read_ok", "value": body.Value}
	})
}

// Sends a request to n1 until it answers, then replies to the client.
func (n *node) ask(request interface{}, m dlab.Message, reply func(answer dlab.Message) dlab.Body) {
	stop := n.Now() + tryMs
	var attempt func(pause int)
	attempt = func(pause int) {
		n.RPC(server, request, func(answer dlab.Message) {
			if answer.Type != "error" {
				n.Reply(m, reply(answer))
			} else if n.Now() >= stop {
				n.ReplyError(m, 0, "no answer from "+server) // it may have happened: an indefinite error
			} else if pause*2 < longestPauseMs {
				attempt(pause * 2)
			} else {
				attempt(longestPauseMs)
			}
		}, int64(pause/2+n.Random(pause/2)))
	}
	attempt(firstPauseMs)
}

// --- n1 ---

func (n *node) apply(m dlab.Message) {
	var request apply
	if m.Decode(&request) != nil || request.Key == "" || request.Delta == nil {
		n.ReplyError(m, 12, "apply needs a key and a delta")
		return
	}
	if _, done := n.counter.Seen[request.Key]; !done {
		n.count(request)
	}
	n.Reply(m, dlab.Body{"type": "apply_ok"})
}

func (n *node) count(request apply) {
	for key, since := range n.counter.Seen {
		if since < n.Now()-keepMs {
			delete(n.counter.Seen, key)
		}
	}
	n.counter.Value += *request.Delta
	n.counter.Seen[request.Key] = n.Now()
	n.Save("counter", n.counter)
	n.State(dlab.Body{"value": n.counter.Value, "table": len(n.counter.Seen)})
}
