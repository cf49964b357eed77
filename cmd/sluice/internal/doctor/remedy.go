package doctor

import "fmt"

// sysctl sets a key now and after the next boot.
func sysctl(key string, n int64) []string {
	return []string{
		fmt.Sprintf("sysctl -w %s=%d", key, n),
		fmt.Sprintf("echo %s=%d >> /etc/sysctl.d/sluice.conf", key, n),
	}
}

// raiseNofile raises the descriptor limit. The kernel refuses one above
// fs.nr_open, whose remedy therefore comes first.
func raiseNofile(connections int64) []string {
	n := connections + FileReserve
	return []string{
		"# under systemd, in [Service] of the unit:",
		fmt.Sprintf("LimitNOFILE=%d", n),
		"# for logins, as root; then log in again:",
		fmt.Sprintf("echo '* - nofile %d' > /etc/security/limits.d/sluice.conf", n),
		fmt.Sprintf("echo 'root - nofile %d' >> /etc/security/limits.d/sluice.conf", n),
		"# for this shell, as root:",
		fmt.Sprintf("ulimit -n %d", n),
	}
}

func raiseCgroup(connections int64) []string {
	m := memoryFor(connections)
	return []string{
		"# under systemd, in [Service] of the unit:",
		fmt.Sprintf("MemoryMax=%dM", m),
		"# in a container:",
		fmt.Sprintf("docker update --memory %dm --memory-swap %dm CONTAINER", m, m),
	}
}

func addMemory(connections int64) []string {
	return []string{fmt.Sprintf("# needs a host with %d MiB of memory", memoryFor(connections))}
}

// lowerHugeFill keeps the kernel from filling up with empty pages, as huge ones,
// what the process has given back.
func lowerHugeFill() []string {
	const dir = "/sys/kernel/mm/transparent_hugepage/khugepaged"
	return []string{
		"cd " + dir,
		"echo 0 > max_ptes_none",
		"# after each boot, under systemd:",
		`echo "w $PWD/max_ptes_none - - - - 0" > /etc/tmpfiles.d/sluice.conf`,
	}
}
