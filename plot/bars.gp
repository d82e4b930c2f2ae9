# SPDX-License-Identifier: GPL-2.0-only
#
# Bars in groups: a group for each IOMMU mode, a bar for each arm, with 95 % intervals.
#
# Besides what style.gp wants: modes (words), ylabel, yticks (as `set ytics` takes them), high (the
# axis' end), and $Ratio: x, high, the ratio in words.
# The data has a block for each arm: x y low high label; low = high where there is no interval.

load here."/style.gp"

width = 900
height = 540
set style fill solid border rgb ink
set boxwidth 0.9 / (words(arms) + 1)
eval key(height)." samplen 1.6 reverse Left"
set grid ytics ls 9 dt 3
set yrange [0:high]
eval "set ytics (".yticks.")"
set xrange [-0.55:words(modes) - 0.45]
set xtics scale 0 ()
do for [i = 1:words(modes)] { set xtics add (word(modes, i) i - 1) }
set xlabel "IOMMU mode"
set ylabel ylabel
set lmargin at screen 0.095
set rmargin at screen 0.98
set tmargin at screen 1 - (above + 34) / height
set bmargin at screen (below + 52) / height

# No bar where there is no interval: out of the picture, as gnuplot warns of a plot of nothing.
bar(x, low, high) = low < high ? x : -9

# Many bars are narrow.
size(few, many) = sprintf(",%g", words(arms) > 4 ? many : words(arms) > 2 ? (few + many) / 2.0 : few)

eval text(height)
do for [kind in "svg png"] {
	eval terminal(kind, width, height)
	set output base.".".kind
	plot for [i = 1:words(arms)] base.".dat" index i - 1 using 1:2 with boxes \
		fc rgb colour(word(arms, i)) fs pattern filling(word(arms, i)) border rgb ink \
		title Name[i], \
	     for [i = 1:words(arms)] base.".dat" index i - 1 using (bar($1, $3, $4)):2:3:4 \
		with yerrorbars pt 7 ps 0.05 lw 1.4 lc rgb "#000000" notitle, \
	     for [i = 1:words(arms)] base.".dat" index i - 1 using 1:4:5 with labels \
		offset 0, 0.7 font size(10, 8) tc rgb grey notitle, \
	     $Ratio using 1:2:3 with labels offset 0, 1.8 font "DejaVu Sans:Bold".size(14, 9) notitle
	unset output
}
