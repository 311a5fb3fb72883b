// unique-ids: your node gets {"type": "generate"} and answers {"type": "generate_ok", "id": ...}. No id is ever given
// twice: not by this node, not by another, not after a crash.
package main

import "dlab"

func main() {
	n := dlab.New()

	n.On("generate", func(m dlab.Message) {
		// Your code comes here. What makes an id that no other node gives, and that this node gave never before?
		// Useful: n.ID, n.Load(name, &v), n.Save(name, v).
		n.ReplyError(m, 11, "this node cannot make ids yet")
	})

	n.Run()
}
