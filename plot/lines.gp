# SPDX-License-Identifier: GPL-2.0-only
#
# Small multiples of lines: a column of panels for each IOMMU mode, a row for each quantity, a line
# for each arm, with 95 % intervals.
#
# Besides what style.gp wants: cols, rows, height; array Column[cols], the modes; for each row array
# Label[], Low[] and High[] (numbers as words), Scale[] ("log" or "linear"), Ticks[] and, the same
# without words, Marks[], as `set ytics` takes them; and of the other axis xlabel, left, right,
# xscale, xticks and xmarks.
# The data has a block for each row, column and arm, the last running fastest:
# x low high y low high above below; the last two are words to go with the point.

load here."/style.gp"

width = 900
n = words(arms)
# In screen units: what is kept for the text around, and for the axes.
x0 = 0.095
x1 = 0.98
gapx = 0.02
y0 = (below + 54.0) / height
y1 = 1 - (above + 50.0) / height
gapy = 18.0 / height
wide = (x1 - x0 - (cols - 1) * gapx) / cols
tall = (y1 - y0 - (rows - 1) * gapy) / rows

# Which block, and where.
block(r, c, a) = ((r - 1) * cols + c - 1) * n + a - 1

set grid ls 9 dt 3
set style data linespoints

do for [kind in "svg png"] {
	eval terminal(kind, width, height)
	set output base.".".kind
	set multiplot
	eval legend(height)
	plot -9 notitle, for [a = 1:n] keyentry with linespoints lw 2 dt dash(word(arms, a)) \
		ps 0.9 pt mark(word(arms, a)) lc rgb colour(word(arms, a)) title Name[a]
	eval panels
	do for [r = 1:rows] {
		do for [c = 1:cols] {
			set lmargin at screen x0 + (c - 1) * (wide + gapx)
			set rmargin at screen x0 + (c - 1) * (wide + gapx) + wide
			set tmargin at screen y1 - (r - 1) * (tall + gapy)
			set bmargin at screen y1 - (r - 1) * (tall + gapy) - tall
			if (xscale eq "log") { set logscale x }
			if (Scale[r] eq "log") { set logscale y }
			set xrange [left:right]
			set yrange [real(Low[r]):real(High[r])]
			eval "set xtics (".(r == rows ? xticks : xmarks).")"
			eval "set ytics (".(c == 1 ? Ticks[r] : Marks[r]).")"
			set xlabel (r == rows ? xlabel : "")
			set label 1 (r == 1 ? Column[c] : "") at graph 0.5, graph 1 \
				center offset 0, 0.8 font "DejaVu Sans:Bold,11" tc rgb ink
			set label 2 (c == 1 ? Label[r] : "") at screen 0.026, graph 0.5 \
				center rotate font ",11" tc rgb ink
			plot for [a = 1:n] base.".dat" index block(r, c, a) using 1:4:2:3:5:6 \
				with xyerrorbars pt 0 lw 1.2 dt 1 lc rgb colour(word(arms, a)) \
				notitle, \
			     for [a = 1:n] base.".dat" index block(r, c, a) using 1:4 \
				lw 2 dt dash(word(arms, a)) pt mark(word(arms, a)) ps 0.9 \
				lc rgb colour(word(arms, a)) notitle, \
			     for [a = 1:n] base.".dat" index block(r, c, a) using 1:6:7 \
				with labels offset 0, 0.7 font ",9" tc rgb ink notitle, \
			     for [a = 1:n] base.".dat" index block(r, c, a) using 1:5:8 \
				with labels offset 0, -0.7 font ",9" tc rgb ink notitle
			unset logscale
		}
	}
	unset multiplot
	unset output
}
