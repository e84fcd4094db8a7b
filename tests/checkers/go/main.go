// Check an exported log with the code of Go's own checksum database, and none of Exhibit: sumdb/note and sumdb/tlog.
//
// Usage: check DIRECTORY TRUST_TOML
//
// Checked: the checkpoint's signature under the log's key, the entries, every hash tile, the root over them, and for one
// entry in 64 (and the last) an inclusion proof and a consistency proof, both read from the tiles as published.
// Not checked: what the entries say. Seals, keys and sessions are the work of the Python checker beside this one.
//
// The paths are those of C2SP tlog-tiles (tile/<level>/<n>); tlog writes the height of the tile before them.
// Exit 0 when all of it holds, 1 otherwise.
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

// height is that of every tile of C2SP tlog-tiles: 256 hashes.
const height = 8

// stride is how many entries lie between two that are proved.
const stride = 64

// maxSize bounds what is held in memory: 64 bytes an entry of hashes, and the entries.
const maxSize = 1 << 24

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: check DIRECTORY TRUST_TOML")
		os.Exit(1)
	}
	said, err := check(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Println("finding:", err)
		os.Exit(1)
	}
	fmt.Println(said)
}

func check(directory, trust string) (string, error) {
	key, err := logKey(trust)
	if err != nil {
		return "", err
	}
	tree, err := checkpoint(filepath.Join(directory, "checkpoint"), key)
	if err != nil {
		return "", err
	}
	leaves, err := readLeaves(directory, tree.N)
	if err != nil {
		return "", err
	}
	made, err := build(leaves)
	if err != nil {
		return "", err
	}
	root, err := tlog.TreeHash(tree.N, made)
	if err != nil {
		return "", err
	}
	if root != tree.Hash {
		return "", fmt.Errorf("the root over the entries is not that of the checkpoint")
	}
	tiles, err := checkTiles(directory, tree.N, made)
	if err != nil {
		return "", err
	}
	proofs, err := checkProofs(directory, tree, leaves)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d entries, %d hash tiles, %d proofs, root %x", tree.N, tiles, proofs, tree.Hash[:]), nil
}

// logKey is the verifier key on the one line `log = "..."` of trust.toml.
func logKey(path string) (note.Verifier, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, `log = "`); ok {
			keys = append(keys, strings.TrimSuffix(rest, `"`))
		}
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("trust: %d log keys, not 1", len(keys))
	}
	key, err := note.NewVerifier(keys[0])
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	return key, nil
}

// checkpoint opens the signed note and reads its three lines: origin, size, root.
func checkpoint(path string, key note.Verifier) (tlog.Tree, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(text, note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %d lines, not 3", len(lines)-1)
	}
	if lines[0] != key.Name() {
		return tlog.Tree{}, fmt.Errorf("checkpoint: of another log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 1 || size > maxSize || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("checkpoint: the size is not a plain number from 1 to %d", maxSize)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return tlog.Tree{}, fmt.Errorf("checkpoint: the root is not a hash in base64")
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// path is where C2SP puts a tile of tlog: without its height, and entries where tlog says data.
func path(directory string, tile tlog.Tile) string {
	rest := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	return filepath.Join(directory, "tile", strings.Replace(rest, "data/", "entries/", 1))
}

// readLeaves is the hash of every entry: a bundle holds 256 entries, each after its length in two bytes.
func readLeaves(directory string, size int64) ([]tlog.Hash, error) {
	var leaves []tlog.Hash
	for _, tile := range tlog.NewTiles(height, 0, size) {
		if tile.L != 0 {
			continue
		}
		tile.L = -1
		name := path(directory, tile)
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for i := 0; i < tile.W; i++ {
			if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
				return nil, fmt.Errorf("%s: breaks off", name)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			if end == 2 {
				return nil, fmt.Errorf("%s: an empty entry", name)
			}
			leaves = append(leaves, tlog.RecordHash(data[2:end]))
			data = data[end:]
		}
		if len(data) > 0 {
			return nil, fmt.Errorf("%s: bytes follow the last entry", name)
		}
	}
	return leaves, nil
}

// build makes the whole tree again from its leaves.
func build(leaves []tlog.Hash) (tlog.HashReader, error) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			if index < 0 || index >= int64(len(stored)) {
				return nil, fmt.Errorf("hash %d is not in the tree", index)
			}
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for n, leaf := range leaves {
		hashes, err := tlog.StoredHashesForRecordHash(int64(n), leaf, reader)
		if err != nil {
			return nil, err
		}
		stored = append(stored, hashes...)
	}
	return reader, nil
}

// checkTiles compares every published tile with that of the tree made again.
func checkTiles(directory string, size int64, made tlog.HashReader) (int, error) {
	tiles := tlog.NewTiles(height, 0, size)
	for _, tile := range tiles {
		wanted, err := tlog.ReadTileData(tile, made)
		if err != nil {
			return 0, err
		}
		name := path(directory, tile)
		data, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(data, wanted) {
			return 0, fmt.Errorf("%s: other hashes than those of the entries", name)
		}
	}
	return len(tiles), nil
}

// published reads tiles as a client of the log does; tlog authenticates them against the root.
type published struct{ directory string }

func (published) Height() int { return height }

func (p published) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, err := os.ReadFile(path(p.directory, tile))
		if err != nil {
			return nil, err
		}
		read[i] = data
	}
	return read, nil
}

func (published) SaveTiles([]tlog.Tile, [][]byte) {}

// checkProofs makes proofs from the published tiles and checks them.
func checkProofs(directory string, tree tlog.Tree, leaves []tlog.Hash) (int, error) {
	reader := tlog.TileHashReader(tree, published{directory})
	proved := 0
	prove := func(n int64) error {
		proof, err := tlog.ProveRecord(tree.N, n, reader)
		if err != nil {
			return fmt.Errorf("entry %d: %w", n, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, n, leaves[n]); err != nil {
			return fmt.Errorf("entry %d: %w", n, err)
		}
		older, err := tlog.TreeHash(n+1, reader)
		if err != nil {
			return fmt.Errorf("tree of %d: %w", n+1, err)
		}
		path, err := tlog.ProveTree(tree.N, n+1, reader)
		if err != nil {
			return fmt.Errorf("tree of %d: %w", n+1, err)
		}
		if err := tlog.CheckTree(path, tree.N, tree.Hash, n+1, older); err != nil {
			return fmt.Errorf("tree of %d: %w", n+1, err)
		}
		proved += 2
		return nil
	}
	for n := int64(0); n < tree.N; n += stride {
		if err := prove(n); err != nil {
			return 0, err
		}
	}
	return proved, prove(tree.N - 1)
}
