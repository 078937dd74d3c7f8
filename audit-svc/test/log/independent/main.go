// An independent check of a log that the service made: signatures, tiles, inclusion and consistency, by the Go team's
// implementations of the same formats (golang.org/x/mod/sumdb). It shares no code with the service.
//
//	go run . URL TOKEN VKEY OLD_CHECKPOINT_FILE PROOF_FILE
//
// Prints the number of entries that it has checked.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type client struct{ url, token string }

func (c client) get(path string) ([]byte, error) {
	request, err := http.NewRequest("GET", c.url+"/log/"+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

// C2SP's tlog-tiles has no height in the path, and "entries" for what Go calls "data".
func path(tile tlog.Tile) string {
	return strings.Replace(strings.Replace(tile.Path(), "tile/8/", "tile/", 1), "tile/data/", "tile/entries/", 1)
}

func (c client) Height() int                     { return height }
func (c client) SaveTiles([]tlog.Tile, [][]byte) {}
func (c client) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, err := c.get(path(tile))
		if err != nil {
			return nil, err
		}
		all[i] = data
	}
	return all, nil
}

// A checkpoint's text is a tree in its three lines after the origin's.
func open(signed []byte, verifiers note.Verifiers, origin string) (tlog.Tree, error) {
	opened, err := note.Open(signed, verifiers)
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s: %q", origin, opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// The hashes of a bundle's entries, each of which follows its length.
func bundle(data []byte) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, errors.New("half a length")
		}
		length := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+length {
			return nil, errors.New("half an entry")
		}
		hashes = append(hashes, tlog.RecordHash(data[2:2+length]))
		data = data[2+length:]
	}
	return hashes, nil
}

func run(url, token, vkey, oldFile, proofFile string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	verifiers := note.VerifierList(verifier)
	c := client{url, token}
	signed, err := c.get("checkpoint")
	if err != nil {
		return err
	}
	tree, err := open(signed, verifiers, verifier.Name())
	if err != nil {
		return err
	}
	// Reads and verifies tiles against the signed root.
	reader := tlog.TileHashReader(tree, c)
	count := int64(0)
	for n := int64(0); n*256 < tree.N; n++ {
		width := min(256, tree.N-n*256)
		data, err := c.get(path(tlog.Tile{H: height, L: -1, N: n, W: int(width)}))
		if err != nil {
			return err
		}
		hashes, err := bundle(data)
		if err != nil || int64(len(hashes)) != width {
			return fmt.Errorf("bundle %d has %d entries: %w", n, len(hashes), err)
		}
		for i, leaf := range hashes {
			index := n*256 + int64(i)
			stored, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			if err != nil {
				return err
			}
			if stored[0] != leaf {
				return fmt.Errorf("entry %d is not the leaf of the tree", index)
			}
			if index%17 == 0 || index == tree.N-1 {
				proof, err := tlog.ProveRecord(tree.N, index, reader)
				if err != nil {
					return err
				}
				if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf); err != nil {
					return err
				}
			}
			count++
		}
	}
	oldSigned, err := os.ReadFile(oldFile)
	if err != nil {
		return err
	}
	old, err := open(oldSigned, verifiers, verifier.Name())
	if err != nil {
		return err
	}
	consistency, err := tlog.ProveTree(tree.N, old.N, reader)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(consistency, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return err
	}
	if err := checkProof(proofFile, verifiers, verifier.Name(), reader); err != nil {
		return err
	}
	fmt.Println(count)
	return nil
}

// The service's own proof of one event, in C2SP's tlog-proof.
func checkProof(file string, verifiers note.Verifiers, origin string, reader tlog.HashReader) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, signed, found := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") {
		return fmt.Errorf("not a proof: %q", head)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		bytes, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(bytes) != tlog.HashSize {
			return fmt.Errorf("not a hash: %q", line)
		}
		proof = append(proof, tlog.Hash(bytes))
	}
	tree, err := open(signed, verifiers, origin)
	if err != nil {
		return err
	}
	leaf, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf[0])
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: go run . URL TOKEN VKEY OLD_CHECKPOINT_FILE PROOF_FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
