package lanesim

import (
	"slices"
	"time"
)

// Over are a number's median and worst over the variations.
type Over struct{ Median, Worst float64 }

// over returns those of f.
func over(n int, f func(i int) float64) Over {
	vs := make([]float64, n)
	for i := range vs {
		vs[i] = f(i)
	}
	slices.Sort(vs)
	return Over{Median: quantile(vs, 0.5), Worst: quantile(vs, 1)}
}

// Ratio returns how much longer than base it took a scheduler to reach 99 % in an
// alert, variation by variation.
func Ratio(how, base []Result, alert int) Over {
	return over(len(how), func(i int) float64 {
		return float64(how[i].Alert[alert].T99) / float64(max(base[i].Alert[alert].T99, time.Second))
	})
}

// Wins returns in how many variations it took how less time than other to reach
// 99 %.
func Wins(how, other []Result, alert int) int {
	n := 0
	for i := range how {
		if how[i].Alert[alert].T99 < other[i].Alert[alert].T99 {
			n++
		}
	}
	return n
}

// Median returns the median of a time over the variations.
func Median(rs []Result, f func(Result) time.Duration) time.Duration {
	return time.Duration(over(len(rs), func(i int) float64 { return float64(f(rs[i])) }).Median)
}

// Mean returns the mean of a number over the variations.
func Mean(rs []Result, f func(Result) float64) float64 {
	sum := 0.0
	for _, r := range rs {
		sum += f(r)
	}
	return sum / float64(max(len(rs), 1))
}

// MostHourly returns the most blocks that one receiver triggered within an hour
// after the first alert.
func MostHourly(rs []Result) int {
	return int(over(len(rs), func(i int) float64 { return float64(rs[i].Hourly) }).Worst)
}

// OftenBlocked returns in how many variations that was more than one.
func OftenBlocked(rs []Result) int {
	n := 0
	for _, r := range rs {
		if r.Hourly > 1 {
			n++
		}
	}
	return n
}
