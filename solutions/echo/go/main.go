// echo: answers every echo request with what it was given.
package main

import (
	"encoding/json"

	"dlab"
)

func main() {
	n := dlab.New()
	n.On("echo", func(m dlab.Message) {
		var body struct {
			Echo json.RawMessage `json:"echo"`
		}
		m.Decode(&body)
		n.Reply(m, dlab.Body{"type": "echo_ok", "echo": body.Echo})
	})
	n.Run()
}
