# SPDX-License-Identifier: GPL-2.0-only
#
# Ratios with their intervals, a line for each point: one run beside another, or beside what was
# published.
#
# Besides what style.gp wants: second, a second subtitle; rows; array Row[rows], what stands beside each; xlabel, left, right.
# The data has a block for each word of `arms`: x y low high label; low = high where there is no
# interval.

load here."/style.gp"

width = 900
height = int(above + below) + 26 * rows + 118
n = words(arms)

set grid xtics ls 9 dt 3
set ytics scale 0 ()
do for [i = 1:rows] { set ytics add (Row[i] i) }
set yrange [rows + 0.6:0.4]
set xrange [left:right]
set xlabel xlabel
set arrow 1 from first 1, graph 0 to first 1, graph 1 nohead lc rgb ink lw 1.2 back
set rmargin 20
set tmargin at screen 1 - (above + 52.0) / height
set bmargin at screen (below + 50.0) / height
set key at screen 0.98, screen 1 - (above + 34.0) / height right center horizontal samplen 1.5 \
	noenhanced
eval text(height)
set label 105 second at screen 0.02, screen 1 - (above + 12.0) / height font ",10.5" tc rgb grey \
	noenhanced front

# No bar where there is no interval: out of the picture, as gnuplot warns of a plot of nothing.
bar(y, low, high) = low < high ? y : -9

do for [kind in "svg png"] {
	eval terminal(kind, width, height)
	set output base.".".kind
	plot for [a = 1:n] base.".dat" index a - 1 using 1:(bar($2, $3, $4)):3:4 with xerrorbars pt 0 \
		lw 1.6 lc rgb colour(word(arms, a)) notitle, \
	     for [a = 1:n] base.".dat" index a - 1 using 1:2 with points pt mark(word(arms, a)) \
		ps 1.1 lw 1.6 lc rgb colour(word(arms, a)) title Name[a], \
	     for [a = 1:n] base.".dat" index a - 1 using (right):2:5 with labels left offset 0.8, 0 \
		font ",9" tc rgb ink notitle
	unset output
}
