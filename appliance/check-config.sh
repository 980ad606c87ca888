#!/bin/sh
# appliance/check-config.sh FRAGMENT CONFIG: whether every option of the fragment is in the configuration as it was asked for.
#
# Kconfig drops without a word what lacks a dependency. Status 1, and a line for each, when something is missing.
set -eu
awk -v fragment="$1" -v config="$2" '
	# "# CONFIG_X is not set" and a line that is not there are the same.
	function option(line) { sub(/^# /, "", line); sub(/[= ].*/, "", line); return line }
	FILENAME == config && /^CONFIG_/ { have[option($0)] = $0; next }
	FILENAME == fragment && /^CONFIG_/ {
		name = option($0)
		if (asked[name]++) {
			printf "%s: %s is there twice\n", fragment, name; bad++
		}
		if (have[name] != $0) {
			printf "%s: %s is asked for, %s in the configuration\n", fragment, $0,
				have[name] == "" ? "and not" : "but it is " have[name]
			bad++
		}
		total++
	}
	FILENAME == fragment && /^# CONFIG_[A-Z0-9_]* is not set$/ {
		if (option($0) in have) {
			printf "%s: %s is not wanted, but in the configuration\n", fragment, option($0); bad++
		}
		total++
	}
	END {
		if (!total) {
			printf "%s: no option in it\n", fragment; bad++
		}
		if (bad)
			exit 1
		printf "%s: all %d options are in the configuration\n", fragment, total
	}' "$2" "$1"
