module sluice

go 1.26

require (
	github.com/lesismal/llib v1.2.4
	github.com/lesismal/nbio v1.6.12
	github.com/rs/zerolog v1.35.1
)
