# SPDX-License-Identifier: GPL-2.0-only
#
# Bars in groups: one group per IOMMU mode, one bar per arm, with 95 % intervals.
#
# gnuplot -c plot/bars.gp DATA OUT TITLE SUBTITLE YLABEL FOOTER "MODES" "ARMS" "LEGEND|LEGEND"
#
# DATA has one block per arm: x y low high label; low = high where there is no interval.
# Draws OUT.svg and OUT.png.
# An arm has the same colour in every figure; the colours (Okabe and Ito) are told apart by the
# colour-blind, and differ in lightness and filling, so that black and white will do.

modes = ARG7
arms = ARG8
colour(arm) = arm eq "dmabuf" ? "#0072B2" : arm eq "fixed" ? "#F0C050" : "#FFFFFF"
filling(arm) = arm eq "plain" ? 4 : 3

set style line 9 lc rgb "#b0b0b0" lw 0.6
set border 3 lc rgb "#606060"
set tics nomirror textcolor rgb "#303030"
set grid ytics ls 9 dt 3
set style fill solid border rgb "#202020"
set boxwidth 0.9 / (words(arms) + 1)
set errorbars 1.5 lw 1.4
set pointintervalbox 0.01
set key at graph 1, graph 1.09 right top horizontal samplen 1.6 reverse Left
set format y "%.0s%c"
set yrange [0:*]
set offsets 0, 0, graph 0.12, 0
set xrange [-0.55:words(modes) - 0.45]
set xtics scale 0 ()
do for [i = 1:words(modes)] { set xtics add (word(modes, i) i - 1) }
set xlabel "IOMMU mode" textcolor rgb "#303030"
set ylabel ARG5 textcolor rgb "#303030"
set lmargin 11; set rmargin 3; set tmargin 6.5; set bmargin 5.5
set label 1 ARG3 at screen 0.025, 0.955 font ",15" noenhanced
set label 2 ARG4 at screen 0.025, 0.895 font ",11" textcolor rgb "#505050" noenhanced
set label 3 ARG6 at screen 0.025, 0.025 font ",8.5" textcolor rgb "#606060" noenhanced

# "a|b|c" -> its i-th part
part(s, i) = i == 1 ? (strstrt(s, "|") ? s[1:strstrt(s, "|") - 1] : s) \
                    : part(s[strstrt(s, "|") + 1:*], i - 1)

# No bar where there is no interval: out of the picture, as gnuplot warns of a plot of nothing.
bar(x, low, high) = low < high ? x : -9

do for [kind in "svg png"] {
	if (kind eq "svg") {
		set terminal svg size 900,560 dynamic font "DejaVu Sans,12" background rgb "white"
	} else {
		set terminal pngcairo size 1800,1120 fontscale 1.9 linewidth 2 font "DejaVu Sans,11" \
			background rgb "white"
	}
	set output ARG2 . "." . kind
	plot for [i = 1:words(arms)] ARG1 index i - 1 using 1:2 with boxes \
		fc rgb colour(word(arms, i)) fs pattern filling(word(arms, i)) border rgb "#202020" \
		title part(ARG9, i), \
	     for [i = 1:words(arms)] ARG1 index i - 1 using (bar($1, $3, $4)):2:3:4 with yerrorbars \
		pt 7 ps 0.05 lw 1.4 lc rgb "#000000" notitle, \
	     for [i = 1:words(arms)] ARG1 index i - 1 using 1:4:5 with labels offset 0, 0.8 \
		font ",10" notitle
	unset output
}
