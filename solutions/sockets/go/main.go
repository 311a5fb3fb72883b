// A line-echo server: a goroutine for each connection, which reads a line and writes it back.
//
// Go does three things for us that C and Python leave to the programmer: Write sends all of its bytes or fails,
// Listen sets SO_REUSEADDR, and a write to a connection that is gone is an error and no signal.
package main

import (
	"bufio"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
)

func serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 64*1024)
	for {
		// At the end of input, line is what came after the last newline.
		line, readErr := in.ReadBytes('\n')
		if len(line) > 0 {
			if _, err := conn.Write(line); err != nil {
				return
			}
		}
		if readErr != nil {
			return
		}
	}
}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		os.Exit(0)
	}()
	listener, err := net.Listen("tcp", os.Getenv("DLAB_LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Print(err)
			continue
		}
		go serve(conn)
	}
}
