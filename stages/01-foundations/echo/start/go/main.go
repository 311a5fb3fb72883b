// echo: your node gets {"type": "echo", "echo": X} and answers {"type": "echo_ok", "echo": X}.
package main

import "dlab"

func main() {
	n := dlab.New()

	// Your code comes here. A handler is a function that gets the message:
	//
	//	n.On("echo", func(m dlab.Message) {
	//		...
	//	})
	//
	// m.Decode(&v) reads the request into a struct or a map. Answer with n.Reply(m, dlab.Body{...}). dlab.go says
	// what else there is.

	n.Run()
}
