package api

import (
	"fmt"
	"net/http"
	"strings"
)

// code is what programs branch on: the closed list of error.code.
type code uint8

const (
	invalidJSON code = iota
	invalidRequest
	invalidChannel
	unauthorized
	forbidden
	notFound
	unknownConnection
	unknownNode
	noHistory
	noPresence
	methodNotAllowed
	authOff
	noSurvivors
	requestTimeout
	bodyTooLarge
	messageTooLarge
	unsupportedEncoding
	tooManyRequests
	internalError
	busy
	stopping
	notReady
	fleetDown
	unconfirmed
	revocationsFull

	numCodes
)

// codes gives each code its name and the status of its answer.
var codes = [numCodes]struct {
	name   string
	status int
}{
	invalidJSON:         {"invalid_json", http.StatusBadRequest},
	invalidRequest:      {"invalid_request", http.StatusBadRequest},
	invalidChannel:      {"invalid_channel", http.StatusBadRequest},
	unauthorized:        {"unauthorized", http.StatusUnauthorized},
	forbidden:           {"forbidden", http.StatusForbidden},
	notFound:            {"not_found", http.StatusNotFound},
	unknownConnection:   {"unknown_connection", http.StatusNotFound},
	unknownNode:         {"unknown_node", http.StatusNotFound},
	noHistory:           {"no_history", http.StatusNotFound},
	noPresence:          {"no_presence", http.StatusNotFound},
	methodNotAllowed:    {"method_not_allowed", http.StatusMethodNotAllowed},
	authOff:             {"auth_off", http.StatusConflict},
	noSurvivors:         {"no_survivors", http.StatusConflict},
	requestTimeout:      {"request_timeout", http.StatusRequestTimeout},
	bodyTooLarge:        {"body_too_large", http.StatusRequestEntityTooLarge},
	messageTooLarge:     {"message_too_large", http.StatusRequestEntityTooLarge},
	unsupportedEncoding: {"unsupported_encoding", http.StatusUnsupportedMediaType},
	tooManyRequests:     {"too_many_requests", http.StatusTooManyRequests},
	internalError:       {"internal", http.StatusInternalServerError},
	busy:                {"busy", http.StatusServiceUnavailable},
	stopping:            {"stopping", http.StatusServiceUnavailable},
	notReady:            {"not_ready", http.StatusServiceUnavailable},
	fleetDown:           {"fleet_down", http.StatusServiceUnavailable},
	unconfirmed:         {"unconfirmed", http.StatusGatewayTimeout},
	revocationsFull:     {"revocations_full", http.StatusInsufficientStorage},
}

// A problem is a call's failure as its caller sees it.
type problem struct {
	code    code
	message string
}

func fail(c code, format string, args ...any) *problem {
	return &problem{code: c, message: fmt.Sprintf(format, args...)}
}

// retryAfter is how many seconds the caller should wait; "" when waiting does not help.
func (p *problem) retryAfter() string {
	switch p.code {
	case busy, stopping, notReady, fleetDown, tooManyRequests:
		return "1"
	}
	return ""
}

// errorBody is the one form of every failure.
type errorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type errorAnswer struct {
	Error errorBody `json:"error"`
}

func (p *problem) body() errorBody {
	return errorBody{Code: codes[p.code].name, Message: p.message}
}

// quoted shows a piece of the caller's input in a message: on one line, and cut
// to what a person recognises it by.
func quoted(s string) string {
	const enough = 64
	if len(s) > enough {
		return fmt.Sprintf("%q...", strings.ToValidUTF8(s[:enough], ""))
	}
	return fmt.Sprintf("%q", s)
}
