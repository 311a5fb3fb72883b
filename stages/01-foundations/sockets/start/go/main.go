// Lab sockets: send every line back to the client that sent it. guide.md has the rules.
//
// This is a beginning: it serves one client at a time, and reads but does not answer.
package main

import (
	"log"
	"net"
	"os"
)

func serve(conn net.Conn) {
	defer conn.Close()
	chunk := make([]byte, 4096)
	for {
		n, err := conn.Read(chunk) // some bytes: a part of a line, or several lines
		if err != nil {            // io.EOF: the client sends no more
			return
		}
		log.Printf("read %q", chunk[:n]) // stderr is your log
		// Your turn: what goes back to the client, and when?
	}
}

func main() {
	listener, err := net.Listen("tcp", os.Getenv("DLAB_LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		serve(conn)
	}
}
