package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed static
var static embed.FS

const assetPath = "/static/"

// asset is a static file under a name that changes with its content, so that a
// browser may keep it for ever.
type asset struct {
	hashed string
	kind   string
	body   []byte
	packed func() []byte // by gzip, made when it is first asked for
}

var assets, assetsByHash = loadAssets()

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() (byName, byHash map[string]asset) {
	byName, byHash = map[string]asset{}, map[string]asset{}
	files, err := fs.ReadDir(static, "static")
	if err != nil {
		panic(err) // the files are in the program
	}
	for _, f := range files {
		body, err := static.ReadFile("static/" + f.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(f.Name())
		hashed := strings.TrimSuffix(f.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a := asset{hashed: hashed, kind: assetTypes[ext], body: body, packed: sync.OnceValue(func() []byte { return pack(body) })}
		byName[f.Name()], byHash[hashed] = a, a
	}
	return byName, byHash
}

// Asset returns the address of a static file. A name that does not exist gives
// an address that is not found; a test looks at every page for such.
func Asset(name string) string { return assetPath + assets[name].hashed }

func pack(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, _ = w.Write(body) // into memory
	_ = w.Close()
	return b.Bytes()
}

// takesGzip reports whether who asks can unpack what is packed by gzip (RFC 9110,
// section 12.5.3). Only static files are packed: they hold nothing that is secret, so
// their length tells nothing.
func takesGzip(r *http.Request) bool {
	for one := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			_, q, weighed := strings.Cut(weight, "=")
			return !weighed || strings.Trim(q, " 0.") != ""
		}
	}
	return false
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := assetsByHash[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Vary", "Accept-Encoding")
	body := a.body
	if takesGzip(r) {
		w.Header().Set("Content-Encoding", "gzip")
		body = a.packed()
	}
	_, _ = w.Write(body) // a person who has gone misses nothing
}
