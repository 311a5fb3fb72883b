// probe: uses every verb of the SDK on demand. The probes in C, Go and Python do the same.
package main

import (
	"encoding/json"

	"dlab"
)

type request struct {
	Echo    json.RawMessage `json:"echo"`
	Name    string          `json:"name"`
	After   int64           `json:"after"`
	Of      string          `json:"of"`
	Timeout int64           `json:"timeout"`
	Value   json.RawMessage `json:"value"`
}

func read(m dlab.Message) (r request) {
	m.Decode(&r)
	return r
}

func main() {
	n := dlab.New()
	lives := 0
	n.On("init", func(m dlab.Message) {
		n.Load("lives", &lives)
		lives++
		n.Save("lives", lives)
		n.Log("life %d of %s", lives, n.ID)
	})
	n.On("echo", func(m dlab.Message) { n.Reply(m, dlab.Body{"type": "echo_ok", "echo": read(m).Echo}) })
	n.On("who", func(m dlab.Message) {
		n.Reply(m, dlab.Body{"type": "who_ok", "id": n.ID, "ids": n.IDs, "config": n.Config, "now": n.Now(), "lives": lives})
	})
	n.On("refuse", func(m dlab.Message) { n.ReplyError(m, 22, "no \"way\"\n") })
	n.On("two", func(m dlab.Message) {
		n.Send("n2", dlab.Body{"type": "one"})
		n.Send("n3", struct {
			Type string `json:"type"`
		}{"two"})
		n.Reply(m, dlab.Body{"type": "two_ok"})
	})
	n.On("arm", func(m dlab.Message) {
		r := read(m)
		n.Timer(r.Name, r.After, func() {
			n.Send("c9", dlab.Body{"type": "fired", "name": r.Name, "now": n.Now()})
		})
	})
	n.On("stop", func(m dlab.Message) { n.CancelTimer(read(m).Name) })
	n.On("ask", func(m dlab.Message) {
		r := read(m)
		n.RPC(r.Of, dlab.Body{"type": "question"}, func(got dlab.Message) {
			body := struct{ Code int }{-1}
			got.Decode(&body)
			n.Send("c9", dlab.Body{"type": "got", "from": got.Src, "answer": got.Type, "code": body.Code, "now": n.Now()})
		}, r.Timeout)
	})
	n.On("chance", func(m dlab.Message) {
		ints := []int{n.Random(1000), n.Random(1000), n.Random(1000)}
		n.Reply(m, dlab.Body{"type": "chance_ok", "ints": ints, "unit": n.RandomUnit()})
	})
	n.On("report", func(m dlab.Message) {
		n.State(dlab.Body{"role": "leader", "term": 3})
		n.Apply(dlab.Body{"index": 7})
	})
	n.On("put", func(m dlab.Message) {
		n.Reply(m, dlab.Body{"type": "put_ok", "kept": n.Save("value", read(m).Value)})
	})
	n.On("fetch", func(m dlab.Message) {
		var value json.RawMessage
		n.Load("value", &value)
		n.Reply(m, dlab.Body{"type": "fetch_ok", "value": value})
	})
	n.Run()
}
