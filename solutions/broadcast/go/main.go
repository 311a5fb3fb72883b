// broadcast: every value that one node was given reaches all nodes, with few messages.
//
// The given topology is not used. Its neighbours' neighbours would tell one another the same value many times. A
// tree with n - 1 edges carries every value over every edge once, and no tree is flatter than a star: two hops from
// any node to any other. So the first node is the hub, and all others talk to it alone. (The price: while the hub
// is down, nothing spreads. Its restart mends that.)
//
// A leaf sends a new value to the hub at once. The hub collects what is new for a while, then tells it to each
// leaf in one message. With n leaves that is n messages a round, however many values came in.
//
// What a peer has not confirmed is sent again, round by round: that outlives loss and partitions.
//
// A node writes a value to its disk before it confirms it to a client. After a crash it offers these values again
// and asks its peers for all that they have.
package main

import (
	"sort"

	"dlab"
)

const (
	msPerLeaf        = 30 // the hub sends at most 33 messages a second, whatever the number of leaves
	roundMinMs       = 250
	valuesPerMessage = 3000 // keeps a line below the limit of 60,000 bytes
)

type set map[int64]bool

func (s set) sorted() []int64 {
	list := make([]int64, 0, len(s))
	for value := range s {
		list = append(list, value)
	}
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	return list
}

type node struct {
	*dlab.Node
	values      set            // all that this node knows
	own         []int64        // those that a client gave to this node, in order; they are on the disk
	peers       []string       // whom this node talks to
	unconfirmed map[string]set // peer -> the values that it may not have
	roundMs     int64          // how long the hub collects, and everybody waits before sending again
	waiting     bool           // the timer "round" is set
}

func main() {
	n := &node{Node: dlab.New(), values: set{}, own: []int64{}, unconfirmed: map[string]set{}}
	n.On("init", n.init)
	n.On("topology", func(m dlab.Message) { n.Reply(m, dlab.Body{"type": "topology_ok"}) })
	n.On("broadcast", n.broadcast)
	n.On("read", func(m dlab.Message) { n.Reply(m, dlab.Body{"type": "read_ok", "messages": n.values.sorted()}) })
	n.On("gossip", n.gossip)
	n.On("lost", n.lost)
	n.Run()
}

func (n *node) init(m dlab.Message) {
	hub := n.IDs[0]
	for _, peer := range n.IDs {
		if peer != n.ID && (n.ID == hub || peer == hub) {
			n.peers = append(n.peers, peer)
			n.unconfirmed[peer] = set{}
		}
	}
	n.roundMs = int64(msPerLeaf * (len(n.IDs) - 1))
	if n.roundMs < roundMinMs {
		n.roundMs = roundMinMs
	}
	if !n.Load("values", &n.own) {
		n.Save("values", n.own)
		return
	}
	n.learn(n.own, "")
	for _, peer := range n.peers {
		n.askForAll(peer)
	}
}

func (n *node) broadcast(m dlab.Message) {
	var body struct{ Message *int64 }
	if m.Decode(&body) != nil || body.Message == nil {
		n.ReplyError(m, 12, "message must be an integer")
		return
	}
	if !n.values[*body.Message] {
		n.own = append(n.own, *body.Message)
		n.Save("values", n.own)
		n.learn([]int64{*body.Message}, "")
	}
	n.Reply(m, dlab.Body{"type": "broadcast_ok"})
}

func (n *node) gossip(m dlab.Message) {
	var body struct{ Values []int64 }
	if m.Decode(&body) != nil {
		n.ReplyError(m, 12, "values must be integers")
		return
	}
	n.learn(body.Values, m.Src)
	n.Reply(m, dlab.Body{"type": "gossip_ok"})
}

// A peer has forgotten everything but its own values.
func (n *node) lost(m dlab.Message) {
	if n.unconfirmed[m.Src] != nil {
		for value := range n.values {
			n.unconfirmed[m.Src][value] = true
		}
		n.startRound()
	}
	n.Reply(m, dlab.Body{"type": "lost_ok"})
}

func (n *node) askForAll(peer string) {
	n.RPC(peer, dlab.Body{"type": "lost"}, func(m dlab.Message) {
		if m.Type != "lost_ok" {
			n.askForAll(peer)
		}
	}, n.roundMs)
}

// Takes in values from a peer (or a client: "") and plans to pass on those that are new.
func (n *node) learn(told []int64, source string) {
	news := false
	for _, value := range told {
		if n.values[value] {
			continue
		}
		news = true
		n.values[value] = true
		for _, peer := range n.peers {
			if peer != source {
				n.unconfirmed[peer][value] = true
			}
		}
	}
	if news && source == "" && len(n.peers) == 1 {
		n.sendRound() // a leaf has one peer: nothing is saved by waiting
	} else if news {
		n.startRound()
	}
}

func (n *node) startRound() {
	for _, peer := range n.peers {
		if !n.waiting && len(n.unconfirmed[peer]) > 0 {
			n.waiting = true
			n.Timer("round", n.roundMs, func() {
				n.waiting = false
				n.sendRound()
			})
		}
	}
}

func (n *node) sendRound() {
	for _, peer := range n.peers {
		if len(n.unconfirmed[peer]) > 0 {
			n.sendValues(peer)
		}
	}
	n.startRound()
}

func (n *node) sendValues(peer string) {
	batch := n.unconfirmed[peer].sorted()
	if len(batch) > valuesPerMessage {
		batch = batch[:valuesPerMessage]
	}
	n.RPC(peer, dlab.Body{"type": "gossip", "values": batch}, func(m dlab.Message) {
		if m.Type != "gossip_ok" {
			return
		}
		for _, value := range batch {
			delete(n.unconfirmed[peer], value)
		}
	}, n.roundMs)
}
