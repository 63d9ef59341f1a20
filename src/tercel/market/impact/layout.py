"""Layout of the law of impact in the flow's parameters: float64 words from flow[IMPACT_AT] on."""

LAW = 0  # as IMPACT in the simulator's layout
SCALE = 1  # ticks at Phi = 1; (WEIGHTS) log factor at Phi = 1
EXPONENT = 2
MEAN_TRADE = 3  # lots
STEP_S = 4  # between looks at how the kernel decays
COMPONENTS = 5
DELAYS = 6  # equally likely delays after which lots that own orders took come back; 0: never
HEAD = 8  # rates[COMPONENTS] a second, weights[COMPONENTS], delays[DELAYS] in seconds
