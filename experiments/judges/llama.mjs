// Greedy texts by llama.cpp, through node-llama-cpp: reads a job from standard input, writes ids to standard output.
// {package, model, state (or null), cache: "F32" or "F16", flash, rows: [[id, ...], ...], most}
import {readFileSync} from "node:fs";
import {pathToFileURL} from "node:url";

const job = JSON.parse(readFileSync(0, "utf8"));
const {getLlama} = await import(pathToFileURL(`${job.package}/dist/index.js`));
const llama = await getLlama({gpu: false, build: "never", skipDownload: true, logLevel: "error"});
const model = await llama.loadModel({modelPath: job.model});
const context = await model.createContext({
    contextSize: 512, threads: 1, flashAttention: job.flash,
    experimentalKvCacheKeyType: job.cache, experimentalKvCacheValueType: job.cache
});
const sequence = context.getSequence();
const texts = [];
for (const row of job.rows) {
    await sequence.clearHistory();
    if (job.state) await sequence.loadStateFromFile(job.state, {acceptRisk: true});
    const ids = [];
    for await (const id of sequence.evaluate(row, {temperature: 0})) {
        ids.push(id);
        if (ids.length === job.most) break;
    }
    texts.push(ids);
}
const ends = [...model.iterateAllTokens()].filter((id) => model.isEogToken(id));
console.log(JSON.stringify({release: llama.llamaCppRelease.release, ends, texts}));
process.exit(0);
