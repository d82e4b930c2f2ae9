# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What the kernel's tests share on the host: sourced from the repository.
#
#   KERNEL    the kernel, where it is not that of kernel/build
#   RELEASE   its release, where a test builds another one like it (6.12)
#   LONG      the long form
#   COVERAGE  a folder for what gcov counts, on a kernel that does

# pick SHORT LONG: the figure of the form that runs.
pick()
{
	[ -n "$LONG" ] && echo "$2" || echo "$1"
}

# guest SECONDS [OPTION...] -- COMMAND [ARG...]: in the VM, and a look at what is left afterwards.
# A kernel that watches itself takes more memory, and ten times longer. Its page tables have four
# levels: 7.3 forgets for a moment of its boot that there is a fifth, and KASAN then complains of
# what an interrupt does meanwhile.
guest()
{
	seconds=$1
	shift
	boots=$((${boots:-0} + 1))
	if [ -n "$COVERAGE" ]; then
		mkdir -p "$COVERAGE"
		set -- --rw "$COVERAGE" --env COVERAGE="$COVERAGE/${0##*/}-$boots" "$@"
	fi
	set -- --timeout "$(pick "$seconds" $((seconds * 30)))" --mem "$(pick 2048 4096)" \
		--append "$(pick "" no5lvl)" "$@"
	[ -z "$KERNEL" ] || set -- --kernel "$KERNEL" "$@"
	# Put tests/lib/leftovers in front of the command.
	left=$#
	marked=
	while [ "$left" -gt 0 ]; do
		word=$1
		shift
		left=$((left - 1))
		set -- "$@" "$word"
		if [ -z "$marked" ] && [ "$word" = -- ]; then
			set -- "$@" tests/lib/leftovers
			marked=y
		fi
	done
	kernel/vm "$@"
}
