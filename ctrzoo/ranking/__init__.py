"""Rank all candidates for each query, for data of queries and candidates."""

from ctrzoo.ranking.places import Places, RankMetrics, joined, places_of
from ctrzoo.ranking.rank import Ranking, rank_candidates, score_candidates

__all__ = ["Places", "RankMetrics", "Ranking", "joined", "places_of", "rank_candidates", "score_candidates"]
