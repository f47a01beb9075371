// Package pace is the control law of a lane: how many copies may be on their way
// to one receiving operator, how fast they may leave, and when to hold them back.
// It learns the operator's limits while it sends. It knows neither mail nor store:
// State is a small value, its methods are told the time and the dice.
//
// # What it assumes
//
// A receiver limits a sender in three ways: connections at a time; a token bucket
// of messages (so many at once, then so many a second); and, after too many
// refusals, a block for minutes or hours. It does not say the figures, and one
// refusal more may be the one that blocks. So the law treats a refusal as dear and
// learns the most from each.
//
// # The law
//
// Window: copies without a verdict. It starts small and grows by one with every
// acceptance, up to the lane's slots. When connections are refused while others
// stand, those that stand are what the operator takes: the window becomes their
// number, and one more is tried only after a time that doubles with each vain try.
// This is Postfix's destination concurrency [1] with a memory.
//
// Rate: unknown until the first refusal that speaks of it, because nobody can tell
// a generous operator from a slow one before. What left until then was the bucket's
// content and the rate together, so the first refusal tells only that the rate is
// lower: the lane goes on with a quarter and grows until the second. At a refusal
// the bucket is empty; between two of them the operator took exactly what its rate
// allows, so their distance measures it. (BBR does the same for policers [2].) From then on
// the lane stays a little below, mirrors the operator's bucket, and tries more after
// a time that doubles with every vain try: as in CUBIC [3], it is long near the
// ceiling, and goes beyond it only from there.
//
// Pause: a refusal that speaks of the rate stops the lane for seconds, in which the
// operator's bucket fills; a single probe reopens it. If the probe is refused as well,
// the lane is blocked, and each pause is a sixth of how long that has lasted: late by a
// fifth at most, with few probes. All pauses have jitter. After a block a lane whose rate is
// measured finds the bucket full. Copies that were under way tell nothing new, and one
// event is answered once, as in TCP [4].
//
// Memory: rate, bucket and window stay for the next alert, which begins with them.
// They lose authority, not place: emergencies are rare and operators change, so with
// every day of rest the time halves until more is tried.
//
// Recipient: greylisting, a full mailbox or an unknown user speak of that recipient
// alone. Here they are acceptances: the operator answered at leisure.
//
// Events: where the verdict comes as an event (SES), the window counts copies whose
// event is out, and may be wider than the slots, because SES opens the connections. It
// doubles with every round of events until SES would have as many connections on average (Little's
// law, with processingTimeMillis as the time) that it seldom has more than slots, and outgrows
// that slowly as long as nothing is put off; a rate, once known, stays below it. To an
// operator that is known to take one or two connections the window opens twenty times slower. Refusals are seen late: so a lane
// that has more than twice as many copies out as its rate explains, or of which no
// event came for three times as long as usual, takes them for put off, minutes before
// DeliveryDelay or a delivery with a long processingTimeMillis says so; and what left
// before it reopened is no news. Because of that lateness a rate grows two times slower, and a
// full bucket is not spent at once, for it would be as many connections. Where a delay
// was said to be one recipient's (greylisting), late deliveries speak of recipients, too. When no event
// comes at all for Silence, and none of any other lane (Limits.Alive), the lane sends
// at its cautious rate: missing verdicts never stop an alert. A verdict that never comes
// gives its place back after Forget at the latest.
//
// Known limits: an operator that changes its rate is followed down at once, and up
// within minutes to an hour. Behind SES the first block is met before it can be known, and
// a greylisting that its text does not name looks like a lane that was put off.
//
// Sources:
//   - [1] Postfix, SCHEDULER_README, "Concurrency scheduling"; KumoMTA, "Configuring
//     Traffic Shaping" (limits by operator, suspension on its words)
//   - [2] Linux, net/ipv4/tcp_bbr.c, "long-term bandwidth sampling" against
//     token-bucket policers
//   - [3] RFC 9438, section 4: the window as a cubic function of the time since
//     the last congestion, flat near the remembered ceiling
//   - [4] RFC 5681, section 3.1 (slow start), and RFC 6582, section 3.2 (one
//     reduction for each round trip)
package pace
