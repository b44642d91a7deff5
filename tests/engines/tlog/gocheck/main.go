// Checks a log in a folder with the code of the Go project's own checksum database, which knows nothing of ours.
//
// Usage: gocheck FOLDER VERIFIER-KEY PROOFS. A line of PROOFS is `record INDEX HASH...` or `tree OLD-SIZE HASH...`.
// Ends with status 1 and a sentence when anything does not hold.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// folder reads tiles where tlog-tiles puts them; the checksum database has their height in the path.
type folder string

func (f folder) Height() int                            { return height }
func (f folder) SaveTiles(tiles []tlog.Tile, d [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, t := range tiles {
		path := strings.Replace(t.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		path = strings.Replace(path, "tile/data/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

func main() {
	if err := check(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func check(path, vkey, proofs string) error {
	tree, err := checkpoint(path, vkey)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, folder(path))
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return fmt.Errorf("the tiles make another root")
	}
	entries, err := allEntries(folder(path), tree, reader)
	if err != nil {
		return err
	}
	if err := theirProofs(tree, reader, entries); err != nil {
		return err
	}
	count, err := ourProofs(tree, reader, entries, proofs)
	if err != nil {
		return err
	}
	fmt.Printf("sound: %d entries, %d proofs of ours\n", tree.N, count)
	return nil
}

func checkpoint(path, vkey string) (tree tlog.Tree, err error) {
	data, err := os.ReadFile(filepath.Join(path, "checkpoint"))
	if err != nil {
		return tree, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tree, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// allEntries reads every bundle and compares each entry's hash with the authenticated one of the tree.
func allEntries(from folder, tree tlog.Tree, reader tlog.HashReader) ([][]byte, error) {
	var entries [][]byte
	for n := int64(0); n<<height < tree.N; n++ {
		width := min(tree.N-n<<height, 1<<height)
		data, err := from.ReadTiles([]tlog.Tile{{H: height, L: -1, N: n, W: int(width)}})
		if err != nil {
			return nil, err
		}
		var indexes []int64
		bundle := data[0]
		for i := int64(0); i < width; i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("bundle %d is cut", n)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			entries = append(entries, bytes.Clone(bundle[2:end]))
			indexes = append(indexes, tlog.StoredHashIndex(0, n<<height+i))
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			return nil, fmt.Errorf("bundle %d goes on after its entries", n)
		}
		hashes, err := reader.ReadHashes(indexes)
		if err != nil {
			return nil, err
		}
		for i, hash := range hashes {
			if tlog.RecordHash(entries[n<<height+int64(i)]) != hash {
				return nil, fmt.Errorf("entry %d does not hash to its leaf", n<<height+int64(i))
			}
		}
	}
	return entries, nil
}

// theirProofs has the Go code prove and check entries and growth from our tiles.
func theirProofs(tree tlog.Tree, reader tlog.HashReader, entries [][]byte) error {
	for _, n := range []int64{0, 1, tree.N / 2, tree.N - 2, tree.N - 1} {
		if n < 0 || n >= tree.N {
			continue
		}
		proof, err := tlog.ProveRecord(tree.N, n, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, n, tlog.RecordHash(entries[n])); err != nil {
			return err
		}
		old, err := tlog.TreeHash(n+1, reader)
		if err != nil {
			return err
		}
		grown, err := tlog.ProveTree(tree.N, n+1, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(grown, tree.N, tree.Hash, n+1, old); err != nil {
			return err
		}
	}
	return nil
}

// ourProofs checks proofs that our code made.
func ourProofs(tree tlog.Tree, reader tlog.HashReader, entries [][]byte, path string) (count int, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		words := strings.Fields(line)
		n, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			return count, err
		}
		var hashes []tlog.Hash
		for _, word := range words[2:] {
			hash, err := tlog.ParseHash(word)
			if err != nil {
				return count, err
			}
			hashes = append(hashes, hash)
		}
		if words[0] == "record" {
			err = tlog.CheckRecord(hashes, tree.N, tree.Hash, n, tlog.RecordHash(entries[n]))
		} else {
			var old tlog.Hash
			if old, err = tlog.TreeHash(n, reader); err == nil {
				err = tlog.CheckTree(hashes, tree.N, tree.Hash, n, old)
			}
		}
		if err != nil {
			return count, fmt.Errorf("%s %d: %w", words[0], n, err)
		}
		count++
	}
	return count, nil
}
