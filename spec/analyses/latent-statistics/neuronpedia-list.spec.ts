/** Quick lists: the recorded links, and the way back. */
import { expect } from 'chai'
import { neuronpediaListUrl } from '../../../analyses/index.js'
import { reference } from '../../support/reference.js'
import { refusalOf } from '../../support/refusal.js'

describe('quick lists', () => {
  it('have the links that SAELens gives', async () => {
    const { quick_list: list } = (await reference('saes')).json['logit_lens'] as {
      quick_list: { features: number[]; neuronpedia_id: string; model_name: string; urls: Record<string, string> }
    }
    const sae = { neuronpediaId: list.neuronpedia_id, modelName: list.model_name }
    for (const [name, url] of Object.entries(list.urls))
      expect(neuronpediaListUrl(sae, list.features, name)).to.equal(url)
    expect(neuronpediaListUrl({ neuronpediaId: list.neuronpedia_id }, list.features)).to.equal(
      list.urls['temporary_list'],
    )
  })

  it('can be decoded again, whatever the name', () => {
    const name = `a+b & "c" (d)'!* / é 😀 100% \\ #?=`
    const url = neuronpediaListUrl({ neuronpediaId: 'gemma-2-2b/5-é"res', modelName: 'gemma\u007f2' }, [3, 0], name)
    const query = new URL(url).searchParams
    expect(query.get('name')).to.equal(name)
    expect(JSON.parse(query.get('features')!)).to.deep.equal([3, 0].map((i) => ({ modelId: 'gemma\u007f2', layer: '5-é"res', index: String(i) }))) // prettier-ignore
    expect(url)
      .to.match(/^[\x21-\x7e]+$/)
      .and.not.match(/[!'()*+]/)
    expect(new URL(neuronpediaListUrl({ neuronpediaId: 'a/b' }, [1], 'half \ud800')).searchParams.get('name')).to.equal('half \ufffd') // prettier-ignore
  })

  it('refuse an SAE that is not on Neuronpedia, and no latents', async () => {
    expect(await refusalOf(() => neuronpediaListUrl({}, [1]))).to.equal("ArgumentError: neuronpediaListUrl: the SAE's neuronpediaId is undefined. Give one such as 'gpt2-small/7-res-jb'.") // prettier-ignore
    expect(await refusalOf(() => neuronpediaListUrl({ neuronpediaId: 'a/b' }, []))).to.include('neuronpediaListUrl: latents is []. Give at least one') // prettier-ignore
    expect(await refusalOf(() => neuronpediaListUrl({ neuronpediaId: 'a/b' }, [1, -1]))).to.include(
      'latents is [1, -1].',
    )
  })
})
