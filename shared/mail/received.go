package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
)

// Received is a mail as its receiver sees it.
type Received struct {
	To      string            `json:"to"`   // the address alone, as it was sent
	From    string            `json:"from"` // the address alone
	Subject string            `json:"subject"`
	Text    string            `json:"text"` // lines end in \n
	HTML    string            `json:"html"`
	Headers map[string]string `json:"headers"` // as sent: encoded, but unfolded
}

// Receive reads a mail that AppendTo has written. It is not a reader of mail from
// elsewhere: text and HTML in base64 are all that it knows.
func Receive(b []byte) (Received, error) {
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return Received{}, errors.New("mail: the message has no body")
	}
	headers, err := unfold(string(head))
	if err != nil {
		return Received{}, err
	}
	r := Received{Headers: headers, To: bare(headers["To"]), From: bare(headers["From"])}
	r.Subject, err = new(mime.WordDecoder).DecodeHeader(headers["Subject"])
	if err != nil {
		return Received{}, fmt.Errorf("mail: subject: %w", err)
	}
	return r, r.read(headers["Content-Type"], bytes.NewReader(body))
}

// unfold returns the header fields by name. A field that comes twice is an error:
// AppendTo writes each once, so the second was smuggled in.
func unfold(head string) (map[string]string, error) {
	head = strings.ReplaceAll(head, "\r\n ", " ")
	headers := make(map[string]string)
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, errors.New("mail: a header line has no name")
		}
		if _, twice := headers[name]; twice {
			return nil, fmt.Errorf("mail: header field %q comes twice", name)
		}
		headers[name] = strings.TrimSpace(value)
	}
	return headers, nil
}

// bare returns the address of a field as it stands in its brackets: the name
// before it holds none, a quoted local part may.
func bare(field string) string {
	return strings.TrimSuffix(field[strings.IndexByte(field, '<')+1:], ">")
}

// read reads a body: one text, or several in one multipart.
func (r *Received) read(contentType string, body io.Reader) error {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("mail: content type: %w", err)
	}
	if mediaType == "multipart/alternative" {
		return r.readParts(multipart.NewReader(body, params["boundary"]))
	}
	text, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, body))
	if err != nil {
		return fmt.Errorf("mail: body: %w", err)
	}
	s := strings.ReplaceAll(string(text), "\r\n", "\n")
	switch mediaType {
	case "text/plain":
		r.Text = s
	case "text/html":
		r.HTML = s
	}
	return nil
}

func (r *Received) readParts(parts *multipart.Reader) error {
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("mail: part: %w", err)
		}
		if err := r.read(part.Header.Get("Content-Type"), part); err != nil {
			return err
		}
	}
}
