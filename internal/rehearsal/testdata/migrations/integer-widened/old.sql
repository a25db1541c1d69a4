SELECT n::integer FROM counters;
