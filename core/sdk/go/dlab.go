// Package dlab is the SDK for nodes in Go: one file, the standard library, Go 1.19 or newer.
//
// A node is a process that reads one JSON message per line and writes one per line:
//
//	n := dlab.New()
//	n.On("echo", func(m dlab.Message) {
//		var body struct{ Echo json.RawMessage }
//		m.Decode(&body)
//		n.Reply(m, dlab.Body{"type": "echo_ok", "echo": body.Echo})
//	})
//	n.Run()
//
// One handler runs at a time, to its end. There are no goroutines to guard against and no locks.
//
// Take time from Now and Timer, and chance from Random and RandomUnit. Then the simulator can repeat a run
// exactly. time.Now, goroutines, math/rand and the order of a map break that (range over sorted keys).
//
// What a handler sends leaves the process in one write when the handler is done. A panic in a handler ends the
// node, with a trace in its log: a half-done step must not go on.
package dlab

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"
)

// Body is a message's body. A struct with json tags does as well wherever a body is asked for.
type Body map[string]interface{}

// Message is what a handler gets.
type Message struct {
	Src, Dest string
	Type      string          // the body's "type"
	Body      json.RawMessage // the whole body, as it came
	head      head
}

// Decode reads the body into a struct or a map, as json.Unmarshal does.
func (m Message) Decode(v interface{}) error { return json.Unmarshal(m.Body, v) }

// The members of a body that the SDK reads.
type head struct {
	Type      string `json:"type"`
	MsgID     number `json:"msg_id"`
	InReplyTo number `json:"in_reply_to"`
	Name      string `json:"name"`
}

// A member that should be an integer.
type number struct {
	value        int64
	isInt, there bool
}

func (x *number) UnmarshalJSON(text []byte) (err error) {
	x.value, err = strconv.ParseInt(string(text), 10, 64)
	x.isInt, x.there = err == nil, string(text) != "null"
	return nil
}

type timer struct {
	due     int64
	order   int64 // which of two with the same due time comes first
	handler func()
}

type call struct {
	id, due  int64
	dest     string
	onAnswer func(Message)
}

// Node holds what a node needs; make one with New.
type Node struct {
	// To read; they are set when "init" arrives.
	ID      string
	IDs     []string
	Config  json.RawMessage // what the lab adds to init; empty: nothing
	DataDir string          // this folder survives a crash; empty: there is none

	handlers map[string]func(Message)
	timers   map[string]timer
	waiting  map[int64]call // open rpcs by msg_id
	alarm    int64          // when the one timer for all open rpcs goes off; -1: it is not set
	lastID   int64
	armed    int64        // counts timers
	out      bytes.Buffer // lines that the present handler wrote
	encoder  *json.Encoder
	harness  bool // dlab runs this node: it keeps the timers
	lockstep bool // it also waits for our "done" after every line
	now      int64
	start    time.Time
	chance   uint64
}

// New makes a node without handlers.
func New() *Node {
	n := &Node{handlers: map[string]func(Message){}, timers: map[string]timer{}, waiting: map[int64]call{},
		alarm: -1, start: time.Now()}
	n.encoder = json.NewEncoder(&n.out)
	n.encoder.SetEscapeHTML(false)
	return n
}

// --- messages ---

// On sets the handler for messages of a type. A handler of "init" runs after the SDK's own work; the place to
// Load what an earlier life saved.
func (n *Node) On(kind string, handler func(Message)) { n.handlers[kind] = handler }

// Send sends a body to a node, a client or a service.
func (n *Node) Send(dest string, body interface{}) { n.write(dest, body, "", 0) }

// Reply answers a request: the same as Send, with the request's id as in_reply_to.
func (n *Node) Reply(m Message, body interface{}) {
	if !m.head.MsgID.isInt {
		n.Send(m.Src, body)
		return
	}
	n.write(m.Src, body, "in_reply_to", m.head.MsgID.value)
}

// ReplyError answers a request with an error; the codes are the protocol's.
func (n *Node) ReplyError(m Message, code int, text string) {
	n.Reply(m, Body{"type": "error", "code": code, "text": text})
}

// RPC sends a request. onAnswer is called once: with the answer, or after the time-out with a body
// {"type":"error","code":0,"text":"timeout"}. The request may have been carried out all the same.
func (n *Node) RPC(dest string, body interface{}, onAnswer func(Message), timeoutMs int64) {
	n.lastID++
	if timeoutMs < 1 {
		timeoutMs = 1
	}
	due := n.now + timeoutMs
	n.waiting[n.lastID] = call{n.lastID, due, dest, onAnswer}
	n.write(dest, body, "msg_id", n.lastID)
	n.setAlarm(due)
}

// --- time and chance ---

// Now is the time in milliseconds; the same during one handler.
func (n *Node) Now() int64 { return n.now }

// Timer calls the handler once, afterMs from now. The same name again replaces the timer.
func (n *Node) Timer(name string, afterMs int64, handler func()) {
	if afterMs < 0 {
		afterMs = 0
	}
	n.armed++
	n.timers[name] = timer{n.now + afterMs, n.armed, handler}
	n.tell(Body{"type": "timer", "name": name, "after_ms": afterMs})
}

// CancelTimer stops a timer; nothing happens when there is none of that name.
func (n *Node) CancelTimer(name string) {
	if _, ok := n.timers[name]; ok {
		delete(n.timers, name)
		n.tell(Body{"type": "timer", "name": name, "after_ms": nil})
	}
}

// Random is an integer, 0 <= result < below. The generator is splitmix64.
func (n *Node) Random(below int) int { return int(n.next() % uint64(below)) }

// RandomUnit is a float, 0 <= result < 1.
func (n *Node) RandomUnit() float64 { return float64(n.next()%(1<<53)) / (1 << 53) }

func (n *Node) next() uint64 {
	n.chance += 0x9E3779B97F4A7C15
	z := n.chance
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	return z ^ (z >> 31)
}

// --- what others see, what a crash leaves ---

// State shows a report on the node's card and to the judge. Each lab's guide names the keys.
func (n *Node) State(report Body) {
	n.report("state", report)
}

// Apply says that an entry was applied to the state machine. For labs whose guide asks for it.
func (n *Node) Apply(report Body) {
	n.report("apply", report)
}

func (n *Node) report(kind string, report Body) {
	body := Body{"type": kind}
	for key, value := range report {
		body[key] = value
	}
	n.tell(body)
}

// Log writes a line to the node's log, as fmt.Printf would.
func (n *Node) Log(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// Save writes a value as JSON to the file `name`: after a crash the old value is there or the new one, never a
// half. It returns false when there is no DataDir.
func (n *Node) Save(name string, value interface{}) bool {
	if n.DataDir == "" {
		return false
	}
	text, err := json.Marshal(value)
	must(err)
	path := filepath.Join(n.DataDir, name)
	file, err := os.Create(path + ".tmp")
	must(err)
	_, err = file.Write(text)
	must(err)
	n.sync(file)
	must(file.Close())
	must(os.Rename(path+".tmp", path))
	folder, err := os.Open(n.DataDir)
	must(err)
	n.sync(folder)
	must(folder.Close())
	return true
}

// Load reads into v what was saved under that name. It returns false when nothing was.
func (n *Node) Load(name string, v interface{}) bool {
	if n.DataDir == "" {
		return false
	}
	text, err := os.ReadFile(filepath.Join(n.DataDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	must(err)
	must(json.Unmarshal(text, v))
	return true
}

// --- the loop ---

// Run reads messages until the input ends.
func (n *Node) Run() {
	input := bufio.NewReaderSize(os.Stdin, 1<<16)
	for {
		line, err := input.ReadBytes('\n')
		n.handle(line)
		if err != nil {
			return
		}
		if n.ID != "" && !n.harness {
			n.runOnWallClock(input)
			return
		}
	}
}

// What a line holds.
type envelope struct {
	Src  string          `json:"src"`
	Dest string          `json:"dest"`
	AtMs number          `json:"at_ms"`
	Body json.RawMessage `json:"body"`
}

func (n *Node) handle(line []byte) {
	var e envelope
	m := Message{}
	if utf8.Valid(line) && readable(json.Unmarshal(line, &e)) && e.Src != "" && len(e.Body) > 0 && e.Body[0] == '{' &&
		readable(json.Unmarshal(e.Body, &m.head)) {
		m.Src, m.Dest, m.Type, m.Body = e.Src, e.Dest, m.head.Type, e.Body
		n.dispatch(m, e.AtMs)
	} else if len(bytes.TrimSpace(line)) > 0 {
		n.Log("dlab: skipped a line that is not a message: %.200q", line)
	}
	n.flush()
}

func (n *Node) dispatch(m Message, atMs number) {
	if atMs.isInt {
		n.now = atMs.value
	} else if !n.harness {
		n.now = n.clock()
	}
	switch {
	case m.Type == "init":
		n.init(m, atMs)
	case m.Src == "dlab":
		if m.Type == "timer" {
			n.fire(m.head.Name)
		}
	default:
		n.requestOrAnswer(m)
	}
}

func (n *Node) requestOrAnswer(m Message) {
	handler := n.handlers[m.Type]
	if c, ok := n.waiting[m.head.InReplyTo.value]; ok && m.head.InReplyTo.isInt {
		delete(n.waiting, c.id)
		handler = c.onAnswer
	}
	if handler != nil {
		handler(m)
	} else if !m.head.InReplyTo.there && m.head.MsgID.isInt {
		n.ReplyError(m, 10, "this node has no handler for the type "+strconv.Quote(m.Type))
	}
}

func (n *Node) init(m Message, atMs number) {
	var body struct {
		NodeID  string          `json:"node_id"`
		NodeIDs []string        `json:"node_ids"`
		Config  json.RawMessage `json:"config"`
		Dlab    *struct {
			Seed     json.Number `json:"seed"`
			Lockstep bool        `json:"lockstep"`
			DataDir  string      `json:"data_dir"`
		} `json:"dlab"`
	}
	if err := m.Decode(&body); !readable(err) || body.NodeID == "" || body.NodeIDs == nil {
		n.Log("dlab: skipped an init without node_id and node_ids")
		return
	}
	if n.ID != "" {
		n.ReplyError(m, 22, "this node has had its init")
		return
	}
	n.ID, n.IDs, n.Config = body.NodeID, body.NodeIDs, body.Config
	n.start = time.Now()
	n.harness = body.Dlab != nil
	seed := ""
	if n.harness {
		n.lockstep, n.DataDir, seed = body.Dlab.Lockstep, body.Dlab.DataDir, body.Dlab.Seed.String()
	} else if !atMs.isInt {
		n.now = 0
	}
	// An earlier life of this node may still get answers: do not use its ids again.
	n.lastID = n.now * 1000
	n.chance = seedFrom(seed)
	n.Reply(m, Body{"type": "init_ok"})
	if handler := n.handlers["init"]; handler != nil {
		handler(m)
	}
}

func (n *Node) fire(name string) {
	t, ok := n.timers[name]
	if ok && t.due <= n.now { // else it was stopped or set anew while this line was under way
		delete(n.timers, name)
		t.handler()
	}
}

// One timer serves all open rpcs; it stands at the earliest time-out, or earlier.
func (n *Node) setAlarm(due int64) {
	if n.alarm < 0 || due < n.alarm {
		n.alarm = due
		n.Timer("rpc time-out", due-n.now, n.expire)
	}
}

func (n *Node) expire() {
	n.alarm = -1
	var late []call
	for _, c := range n.waiting {
		if c.due <= n.now {
			late = append(late, c)
		}
	}
	sort.Slice(late, func(i, j int) bool {
		return late[i].due < late[j].due || late[i].due == late[j].due && late[i].id < late[j].id
	})
	for _, c := range late {
		delete(n.waiting, c.id)
		body := fmt.Sprintf(`{"type":"error","in_reply_to":%d,"code":0,"text":"timeout"}`, c.id)
		c.onAnswer(Message{Src: c.dest, Dest: n.ID, Type: "error", Body: []byte(body)})
	}
	next := int64(-1)
	for _, c := range n.waiting {
		if next < 0 || c.due < next {
			next = c.due
		}
	}
	if next >= 0 {
		n.setAlarm(next)
	}
}

func (n *Node) tell(body Body) {
	if n.harness {
		n.Send("dlab", body)
	}
}

// Adds one line to the output. A member that the SDK adds goes in before the body's last brace.
func (n *Node) write(dest string, body interface{}, key string, value int64) {
	n.out.WriteString(`{"src":"`)
	n.out.WriteString(n.ID)
	n.out.WriteString(`","dest":`)
	n.encode(dest)
	n.out.WriteString(`,"body":`)
	n.encode(body)
	if key != "" {
		n.out.Truncate(n.out.Len() - 1)
		if last := n.out.Bytes()[n.out.Len()-1]; last != '{' {
			n.out.WriteByte(',')
		}
		n.out.WriteByte('"')
		n.out.WriteString(key)
		n.out.WriteString(`":`)
		n.out.WriteString(strconv.FormatInt(value, 10))
		n.out.WriteByte('}')
	}
	n.out.WriteString("}\n")
}

func (n *Node) encode(v interface{}) {
	must(n.encoder.Encode(v))
	n.out.Truncate(n.out.Len() - 1) // the encoder's newline
}

func (n *Node) flush() {
	if n.lockstep {
		n.out.WriteString("{\"dest\":\"dlab\",\"body\":{\"type\":\"done\"}}\n")
	}
	if n.out.Len() == 0 {
		return
	}
	if _, err := os.Stdout.Write(n.out.Bytes()); err != nil {
		os.Exit(0) // the harness has gone
	}
	n.out.Reset()
}

func (n *Node) sync(file *os.File) {
	// The simulator kills processes, never the machine: there the disk need not be forced.
	if !n.lockstep {
		must(file.Sync())
	}
}

// --- without dlab (a Maelstrom harness): the timers are ours, on the wall clock ---

func (n *Node) clock() int64 { return time.Since(n.start).Milliseconds() }

// A reader of its own lets us wait for a line and for a timer at once. Handlers still run one at a time, here.
func (n *Node) runOnWallClock(input *bufio.Reader) {
	lines := make(chan []byte)
	go func() {
		for {
			line, err := input.ReadBytes('\n')
			lines <- line
			if err != nil {
				close(lines)
				return
			}
		}
	}()
	for {
		var ring <-chan time.Time
		name, due := n.nextTimer()
		if due >= 0 {
			ring = time.After(time.Duration(due-n.clock()) * time.Millisecond)
		}
		select {
		case line, ok := <-lines:
			if !ok {
				return
			}
			n.handle(line)
		case <-ring:
			n.now = n.clock()
			n.fire(name)
			n.flush()
		}
	}
}

// The timer that is due first; -1 when there is none.
func (n *Node) nextTimer() (name string, due int64) {
	due = -1
	var order int64
	for s, t := range n.timers {
		if due < 0 || t.due < due || t.due == due && t.order < order {
			name, due, order = s, t.due, t.order
		}
	}
	return name, due
}

// --- small things ---

// A member of another type than we expect counts as missing; the line itself is fine.
func readable(err error) bool {
	var wrongType *json.UnmarshalTypeError
	return err == nil || errors.As(err, &wrongType)
}

func seedFrom(text string) uint64 {
	if seed, err := strconv.ParseUint(text, 10, 64); err == nil {
		return seed
	}
	if seed, err := strconv.ParseInt(text, 10, 64); err == nil {
		return uint64(seed)
	}
	var bytes [8]byte
	_, err := rand.Read(bytes[:])
	must(err)
	return binary.LittleEndian.Uint64(bytes[:])
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
