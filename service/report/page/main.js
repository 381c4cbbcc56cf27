// Draws the page from top to bottom; the answer is there before the plots.

const DRAWINGS = [drawAbout, drawAnswer, drawConfirmation, drawFairness, drawRelease, drawHealth, drawLabels, drawGrowth, drawExplanation, drawFilters, drawFront, drawHistory, drawCurves, drawParallel, drawDrivers, drawMap, drawTable, drawDetails];
DRAWINGS.forEach((draw) => draw());
document.documentElement.dataset.ready = String(Math.round(performance.now()));
