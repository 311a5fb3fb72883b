// unique-ids: identifiers that no two nodes ever give out, and no node twice.
//
// An id is <node>-<life>-<count>. The node's name keeps nodes apart without a word between them, so a partition
// changes nothing. The count keeps the ids of one life apart. The count is lost in a crash: the life, one more
// at every start and on the disk before the first id goes out, keeps lives apart.
package main

import (
	"fmt"
	"time"

	"dlab"
)

func main() {
	n := dlab.New()
	var life int64
	count := 0

	n.On("init", func(m dlab.Message) {
		n.Load("life", &life)
		life++
		if !n.Save("life", life) {
			life = time.Now().UnixNano() // no disk to remember lives (not dlab): a start is later than the one before
		}
	})

	n.On("generate", func(m dlab.Message) {
		count++
		n.Reply(m, dlab.Body{"type": "generate_ok", "id": fmt.Sprintf("%s-%d-%d", n.ID, life, count)})
	})

	n.Run()
}
