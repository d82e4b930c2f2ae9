# SPDX-License-Identifier: GPL-2.0-only
#
# Every repeat over time, as a share of the median of its point: a panel for each IOMMU mode.
#
# Besides what style.gp wants: array Row[], the modes; xlabel, ylabel; right, the minutes that it
# took; far, how far from 1 the axis goes.
# The data has for each mode a block for each arm, one for the void, and one for the outliers, which
# are among the arms' as well: minutes share.

more = 1
load here."/style.gp"

width = 900
n = words(arms)
rows = |Row|
height = 190 + 130 * rows
x0 = 0.085
y0 = (below + 54.0) / height
y1 = 1 - (above + 40.0) / height
gapy = 14.0 / height
tall = (y1 - y0 - (rows - 1) * gapy) / rows


do for [kind in "svg png"] {
	eval terminal(kind, width, height)
	set output base.".".kind
	set multiplot
	eval legend(height)
	plot -9 notitle, for [a = 1:n] keyentry with points pt mark(word(arms, a)) \
		lc rgb colour(word(arms, a)) title Name[a], keyentry with points pt 2 ps 1.3 lw 3 lc rgb "#000000" title "void", \
		keyentry with points pt 6 ps 1.8 lw 1.2 lc rgb ink title "outlier"
	eval panels
	set grid noxtics
	set xrange [-right * 0.02:right * 1.02]
	set yrange [1 - far:1 + far]
	set lmargin at screen x0
	set rmargin at screen 0.94
	set ylabel ylabel offset 1, 0
	do for [r = 1:rows] {
		set tmargin at screen y1 - (r - 1) * (tall + gapy)
		set bmargin at screen y1 - (r - 1) * (tall + gapy) - tall
		set format y "%.2f"
		set format x (r == rows ? "%g" : "")
		set xlabel (r == rows ? xlabel : "")
		set label 1 Row[r] at screen 0.96, graph 0.5 center rotate by -90 \
			font "DejaVu Sans:Bold,11" tc rgb ink
		set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead lc rgb ink lw 0.8 back
		plot for [a = 1:n] base.".dat" index (r - 1) * (n + 2) + a - 1 using 1:2 \
			with points pt mark(word(arms, a)) ps 0.7 lc rgb colour(word(arms, a)) \
			notitle, \
		     base.".dat" index (r - 1) * (n + 2) + n using 1:2 with points pt 2 ps 1.6 \
			lw 3 lc rgb "#000000" notitle, \
		     base.".dat" index (r - 1) * (n + 2) + n + 1 using 1:2 with points pt 6 ps 1.8 \
			lw 1.2 lc rgb ink notitle
	}
	unset arrow 1
	unset multiplot
	unset output
}
