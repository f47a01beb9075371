package sesfake

import (
	"maps"
	"net/http"
	"time"
)

// Set-up as a deployment makes it, by path. Tests lay their own over it (SetUp).
var setUp = map[string]any{
	"account": map[string]any{
		"ProductionAccessEnabled": true, "EnforcementStatus": "HEALTHY",
	},
	"identity": map[string]any{
		"IdentityType": "DOMAIN", "VerifiedForSendingStatus": true,
		"DkimAttributes":     map[string]any{"SigningEnabled": true, "Status": "SUCCESS", "Tokens": []string{"t1", "t2", "t3"}},
		"MailFromAttributes": map[string]any{"MailFromDomain": "bounce.school.example.jp", "MailFromDomainStatus": "SUCCESS", "BehaviorOnMxFailure": "USE_DEFAULT_VALUE"},
	},
	"set": map[string]any{
		"SuppressionOptions": map[string]any{"SuppressedReasons": []string{"COMPLAINT"}},
	},
	"destinations": map[string]any{
		"EventDestinations": []any{map[string]any{
			"Name": "events", "Enabled": true, "SnsDestination": map[string]any{"TopicArn": "arn:aws:sns:ap-northeast-1:123456789012:events"},
			"MatchingEventTypes": []string{"REJECT", "BOUNCE", "COMPLAINT", "DELIVERY", "DELIVERY_DELAY", "RENDERING_FAILURE"},
		}},
	},
	"suppressed": map[string]any{"SuppressedDestinationSummaries": []any{}},
}

// SetUp lays parts over what the server says of the account and its set-up: account,
// identity, set, destinations and suppressed, each with the fields of SES's answer.
func (s *Server) SetUp(part string, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.setup == nil {
		s.setup = map[string]map[string]any{}
	}
	s.setup[part] = fields
}

// said returns what the server says of a part, with fields over it.
func (s *Server) said(part string, fields map[string]any) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := maps.Clone(setUp[part].(map[string]any))
	maps.Copy(answer, fields)
	maps.Copy(answer, s.setup[part])
	return answer
}

// of returns what is of one set alone.
func (s *Server) of(part, name string) map[string]any {
	if part != "set" {
		return nil
	}
	return map[string]any{
		"ConfigurationSetName": name,
		"DeliveryOptions":      map[string]any{"MaxDeliverySeconds": int(s.tries(name) / time.Second), "TlsPolicy": "OPTIONAL"},
	}
}

func (s *Server) setupRoutes() {
	for path, part := range map[string]string{
		"identities/{name}": "identity", "configuration-sets/{name}": "set",
		"configuration-sets/{name}/event-destinations": "destinations", "suppression/addresses": "suppressed",
	} {
		s.mux.HandleFunc("GET /v2/email/"+path, func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, http.StatusOK, s.said(part, s.of(part, r.PathValue("name"))))
		})
	}
}
