package cloud

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/drill/runtimeapi"
)

// maxPayload is what Lambda takes with one event
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const maxPayload = 6 << 20

// gateway plays the HTTP API: it turns requests into events of payload format 2.0
// and has the function of the route answer them.
func gateway(functions map[string]*runtimeapi.Function) http.Handler {
	mux := http.NewServeMux()
	for _, f := range plan.Functions {
		t, isHTTP := f.Trigger.(plan.HTTP)
		if !isHTTP || functions[f.Name] == nil {
			continue
		}
		for _, r := range t.Routes {
			mux.Handle(pattern(r.Key), proxy(functions[f.Name], r.Key))
		}
	}
	return mux
}

// pattern writes the key of a route as http.ServeMux does.
func pattern(key string) string {
	if key == "$default" {
		return "/"
	}
	key = strings.TrimPrefix(key, "ANY ")
	return strings.ReplaceAll(key, "+}", "...}")
}

func proxy(f *runtimeapi.Function, route string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e, err := request(r, route)
		if err != nil {
			http.Error(w, `{"message":"Request Entity Too Large"}`, http.StatusRequestEntityTooLarge)
			return
		}
		out, err := f.Invoke(r.Context(), e)
		var res events.APIGatewayV2HTTPResponse
		if err == nil {
			err = json.Unmarshal(out, &res)
		}
		if err != nil {
			http.Error(w, `{"message":"Internal Server Error"}`, http.StatusInternalServerError)
			return
		}
		_ = respond(w, res) // the client has gone
	}
}

// request is the event of a request:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func request(r *http.Request, route string) (events.APIGatewayV2HTTPRequest, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil {
		return events.APIGatewayV2HTTPRequest{}, err
	}
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: route, RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{"host": r.Host}, Body: string(body),
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: route, Stage: "$default", DomainName: r.Host,
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: "192.0.2.1", UserAgent: r.UserAgent(),
			},
		},
	}
	for name, values := range r.Header {
		if name == "Cookie" {
			e.Cookies = strings.Split(strings.Join(values, "; "), "; ")
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	if !isText(r.Header.Get("Content-Type")) || !utf8.Valid(body) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	if len(e.Body) > maxPayload {
		return e, errors.New("cloud: too large for an event")
	}
	return e, nil
}

// isText reports whether bodies of this type are passed on as they are.
func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return contentType == ""
	}
	switch kind {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

func respond(w http.ResponseWriter, res events.APIGatewayV2HTTPResponse) error {
	body := []byte(res.Body)
	if res.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(res.Body); err != nil {
			return fmt.Errorf("cloud: answer: %w", err)
		}
	}
	for name, value := range res.Headers {
		w.Header().Set(name, value)
	}
	for _, c := range res.Cookies {
		w.Header().Add("Set-Cookie", c)
	}
	w.WriteHeader(res.StatusCode)
	_, err := w.Write(body)
	return err
}
